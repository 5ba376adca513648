//! A small province behind a gateway: institutions, drugs, and documents to dispense.

use jiff::Timestamp;
use std::net::SocketAddr;
use std::sync::Arc;
use tempfile::TempDir;
use tonic::transport::Channel;
use tracegate::app::Gateway;
use tracegate::clock::ManualClock;
use tracegate::config::Config;
use tracegate::engine::IndexState;
use tracegate::grpc::pb;
use tracegate::grpc::pb::dispensing_service_client::DispensingServiceClient;
use tracegate::grpc::pb::purchase_service_client::PurchaseServiceClient;
use tracegate::grpc::pb::registry_service_client::RegistryServiceClient;

/// Pharmacies and a hospital outside of Hebei: no purchase rule holds for the pharmacies.
pub const PHARMACY: &str = "P12010100001";
/// Another pharmacy.
pub const OTHER_PHARMACY: &str = "P12010100002";
/// A hospital.
pub const HOSPITAL: &str = "H12010100003";
/// A drug of one unit per pack.
pub const DRUG: &str = "XA01AA001A0010100000001";
/// Its code prefix.
pub const PREFIX: &str = "8123456";

/// The n-th box of [`DRUG`].
pub fn code(n: u64) -> String {
    format!("{PREFIX}{n:013}")
}

/// An institution of the province.
pub fn institution(code: &str) -> pb::Institution {
    pb::Institution {
        institution_code: code.into(),
        name: code.into(),
        kind: if code.starts_with('H') { "hospital" } else { "pharmacy" }.into(),
        division: "120101".into(),
        ownership: "private".into(),
        agreement_signed_on: "2019-05-01".into(),
        transition_ends_on: "2099-01-01".into(),
        status: "active".into(),
        ..pb::Institution::default()
    }
}

/// The drug of the province.
pub fn drug() -> pb::Drug {
    pb::Drug {
        code_prefix: PREFIX.into(),
        catalog_code: DRUG.into(),
        name: "药品".into(),
        pack_level: "small".into(),
        units_per_pack: 1,
        drug_class: "western".into(),
        dosage_form: "tablet".into(),
        ..pb::Drug::default()
    }
}

/// Loads the province over the gRPC door.
pub async fn load_province(channel: &Channel) {
    let institutions = [PHARMACY, OTHER_PHARMACY, HOSPITAL]
        .map(|code| pb::LoadInstitutionsRequest { institution: Some(institution(code)) });
    let drug = drug();
    let mut registry = RegistryServiceClient::new(channel.clone());
    let loaded =
        registry.load_institutions(tokio_stream::iter(institutions)).await.expect("institutions load");
    assert!(loaded.into_inner().results.iter().all(|r| r.refusal.is_empty()));
    let drugs = tokio_stream::iter([pb::LoadDrugsRequest { drug: Some(drug) }]);
    let loaded = registry.load_drugs(drugs).await.expect("drugs load");
    assert!(loaded.into_inner().results.iter().all(|r| r.refusal.is_empty()));
}

/// A self-consistent document of whole packs, insured.
pub fn document(institution: &str, document_no: &str, codes: &[String]) -> pb::Document {
    let line = pb::Line {
        catalog_code: DRUG.into(),
        quantity: codes.len().to_string(),
        codes: codes.to_vec(),
        ..pb::Line::default()
    };
    pb::Document {
        institution_code: institution.into(),
        document_no: document_no.into(),
        payment: pb::Payment::Insured.into(),
        lines: vec![line],
        ..pb::Document::default()
    }
}

/// A `Dispense` of whole packs.
pub fn dispense(institution: &str, request_id: &str, codes: &[String]) -> pb::DispenseRequest {
    pb::DispenseRequest {
        request_id: request_id.into(),
        document: Some(document(institution, &format!("D-{request_id}"), codes)),
        ..Default::default()
    }
}

/// A purchase of so many packs of [`DRUG`] over the platform, at eight of the world's morning.
pub fn purchase(institution: &str, order_no: &str, quantity: &str) -> pb::SubmitPurchasesRequest {
    pb::SubmitPurchasesRequest {
        institution_code: institution.into(),
        catalog_code: DRUG.into(),
        source: pb::PurchaseSource::Platform.into(),
        order_no: order_no.into(),
        quantity: quantity.into(),
        purchased_at: Some(prost_types::Timestamp { seconds: at(8, 0).as_second(), nanos: 0 }),
        ..pb::SubmitPurchasesRequest::default()
    }
}

/// A gateway in this process, with a clock that tests set.
pub struct World {
    /// Its clock.
    pub clock: Arc<ManualClock>,
    /// The gate.
    pub gate: DispensingServiceClient<Channel>,
    /// Purchases.
    pub purchases: PurchaseServiceClient<Channel>,
    /// Registry.
    pub registry: RegistryServiceClient<Channel>,
    /// The connection behind them.
    pub channel: Channel,
    gateway: Gateway,
    /// Its data directory.
    pub dir: Arc<TempDir>,
}

/// A moment on 10 March 2026, Asia/Shanghai.
pub fn at(hour: i8, minute: i8) -> Timestamp {
    let local = jiff::civil::date(2026, 3, 10).at(hour, minute, 0, 0);
    tracegate::domain::time::moment_of(local).expect("a moment of that day")
}

/// Units of [`DRUG`] that a gateway counts as sold by an institution; `None` = it does not say.
pub async fn sold(address: &str, institution: &str) -> Option<String> {
    let asked = pb::GetPurchaseRequest { institution_code: institution.into(), catalog_code: DRUG.into() };
    let found = PurchaseServiceClient::new(connect(address).await).get_purchase(asked).await.ok()?;
    Some(found.into_inner().sold_quantity)
}

/// Waits until a gateway has taken over the province that another one loaded.
pub async fn knows_the_province(address: &str) {
    let gate = DispensingServiceClient::new(connect(address).await);
    super::eventually("the registry is taken over", || async {
        let check = pb::CheckRequest { document: Some(document(PHARMACY, "d", &[code(999_999_999)])) };
        let decision = gate.clone().check(check).await.ok()?.into_inner().decision?;
        (decision.verdict() == pb::Verdict::Allow).then_some(())
    })
    .await;
}

/// A channel to an address.
pub async fn connect(address: &str) -> Channel {
    let endpoint = Channel::from_shared(format!("http://{address}")).expect("an address");
    endpoint.tcp_nodelay(true).connect().await.expect("the gateway answers")
}

impl World {
    /// A gateway with the province loaded, at nine in the morning.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// As [`start`](Self::start), with other settings.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = Arc::new(tempfile::tempdir().expect("a temporary directory"));
        let world = Self::open(Arc::clone(&dir), change).await;
        load_province(&world.channel).await;
        world
    }

    /// A gateway over an existing directory, with another clock.
    pub async fn open_at(dir: Arc<TempDir>, now: Timestamp) -> Self {
        Self::open_with(dir, now, |_| {}).await
    }

    /// The same, which audits nothing by itself.
    pub async fn open_without_audits(dir: Arc<TempDir>, now: Timestamp) -> Self {
        Self::open_with(dir, now, |config| config.audit_nightly = false).await
    }

    /// A gateway over an existing directory.
    pub async fn open(dir: Arc<TempDir>, change: impl FnOnce(&mut Config)) -> Self {
        Self::open_with(dir, at(9, 0), change).await
    }

    /// A gateway over an existing directory, with another clock and other settings.
    pub async fn open_later(dir: Arc<TempDir>, now: Timestamp, change: impl FnOnce(&mut Config)) -> Self {
        Self::open_with(dir, now, change).await
    }

    async fn open_with(dir: Arc<TempDir>, now: Timestamp, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::built_in().expect("the defaults are valid");
        config.data_dir = dir.path().join("data");
        config.store.disk_free_bytes_min = 1;
        config.grpc.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.http_listen = None;
        change(&mut config);
        let clock = Arc::new(ManualClock::at(now));
        let gateway =
            Gateway::start(&config, Arc::<ManualClock>::clone(&clock)).await.expect("the gateway starts");
        let channel = connect(&gateway.address().to_string()).await;
        Self {
            clock,
            gate: DispensingServiceClient::new(channel.clone()),
            purchases: PurchaseServiceClient::new(channel.clone()),
            registry: RegistryServiceClient::new(channel.clone()),
            channel,
            gateway,
            dir,
        }
    }

    /// Returns once the index is complete.
    pub async fn index_complete(&self) {
        let mut state = self.gateway.index_state();
        let complete = state.wait_for(|state| *state == IndexState::Complete);
        let waited = tokio::time::timeout(std::time::Duration::from_secs(10), complete).await;
        assert!(matches!(waited, Ok(Ok(_))), "the index is not complete within ten seconds");
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        self.gateway.address().to_string()
    }

    /// Dispenses and gives the decision.
    pub async fn dispense(&mut self, request: pb::DispenseRequest) -> pb::Decision {
        let answer = self.gate.dispense(request).await.expect("an answer");
        answer.into_inner().decision.expect("a decision")
    }

    /// What became of a request.
    pub async fn outcome(&mut self, institution: &str, request_id: &str) -> pb::GetOutcomeResponse {
        let request =
            pb::GetOutcomeRequest { institution_code: institution.into(), request_id: request_id.into() };
        self.gate.get_outcome(request).await.expect("an outcome").into_inner()
    }

    /// Stops it; gives its directory.
    pub async fn stop(self) -> Arc<TempDir> {
        self.gateway.stop(std::future::pending()).await;
        self.dir
    }
}
