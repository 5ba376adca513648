//! Certificates of every kind, made for one test.

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use std::path::{Path, PathBuf};

/// Somebody who vouches for others.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub root: String,
}

/// A certificate with its key, in PEM.
#[derive(Clone)]
pub struct Certified {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let root = params.self_signed(&key).expect("a root").pem();
        Self { issuer: Issuer::new(params, key), root }
    }

    fn signed(&self, params: &CertificateParams) -> Certified {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Certified { certificate, key: key.serialize_pem() }
    }

    /// For a gateway on this machine.
    pub fn server(&self) -> Certified {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).expect("parameters");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.signed(&params)
    }

    /// For callers that these URIs name; `serial` = by which it is revoked.
    pub fn client(&self, uris: &[&str], serial: u64) -> Certified {
        self.client_until(uris, serial, 2999)
    }

    /// As [`client`](Self::client), over since the beginning of a year.
    pub fn client_until(&self, uris: &[&str], serial: u64, year: i32) -> Certified {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        let uri = |uri: &&str| SanType::URI(Ia5String::try_from(*uri).expect("ASCII"));
        params.subject_alt_names = uris.iter().map(uri).collect();
        params.serial_number = Some(SerialNumber::from(serial));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        self.signed(&params)
    }

    /// A list of revoked ones.
    pub fn revokes(&self, serials: &[u64]) -> String {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(2999, 1, 1),
            crl_number: SerialNumber::from(serials.len() as u64),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).expect("a list").pem().expect("PEM")
    }
}

impl Certified {
    /// Writes both into a directory; gives where they lie.
    pub fn write(&self, dir: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
        // Key first: whoever watches for the certificate finds one that fits.
        std::fs::write(&key, &self.key).expect("the key is written");
        std::fs::write(&certificate, &self.certificate).expect("the certificate is written");
        (certificate, key)
    }
}
