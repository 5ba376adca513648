//! A URL in a QR code: lawful only as a look-up page of a listed host with one MSFX code. It is read, never fetched.

use super::msfx::{self, MsfxCode};
use super::noise;
use super::refusal::UrlFault;

/// Whether a text is a URL, or hides one.
pub(super) fn is_url(text: &str) -> bool {
    let www = text.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("www."));
    www || text.contains("://") || is_page_of_a_host(text)
}

/// Ends of host names that are believed where the scheme was left out: a manufacturer's own code may hold
/// points and slashes.
const HOST_ENDS: [&str; 6] = ["com", "cn", "net", "org", "top", "vip"];

/// `name.com/…`: a QR code whose scheme was left out.
fn is_page_of_a_host(text: &str) -> bool {
    let Some((host, _)) = text.split_once('/') else {
        return false;
    };
    let Some((name, end)) = host.rsplit_once('.') else {
        return false;
    };
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
        && HOST_ENDS.iter().any(|known| known.eq_ignore_ascii_case(end))
}

/// The MSFX code of a look-up page. `hosts` are in lower case.
pub(super) fn trace_code(text: &str, hosts: &[String]) -> Result<MsfxCode, UrlFault> {
    let (scheme, rest) = text.split_once("://").ok_or(UrlFault::Scheme)?;
    let default_port = match scheme.to_ascii_lowercase().as_str() {
        "http" => "80",
        "https" => "443",
        _ => return Err(UrlFault::Scheme),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, page) = rest.split_at_checked(end).unwrap_or((rest, ""));
    check_authority(authority, default_port, hosts)?;
    code_of(page)
}

fn check_authority(authority: &str, default_port: &str, hosts: &[String]) -> Result<(), UrlFault> {
    if authority.contains('@') {
        return Err(UrlFault::Userinfo);
    }
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, default_port));
    if port != default_port {
        return Err(UrlFault::Port);
    }
    if !hosts.iter().any(|listed| listed.eq_ignore_ascii_case(host)) {
        return Err(UrlFault::Host(noise::printable(host)));
    }
    Ok(())
}

/// The value of the one parameter `code`. Path and fragment may not bring a second code.
fn code_of(page: &str) -> Result<MsfxCode, UrlFault> {
    let before_fragment = page.split('#').next().unwrap_or_default();
    let query = before_fragment.split_once('?').map_or("", |(_, query)| query);
    let mut values = query.split('&').filter_map(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        name.eq_ignore_ascii_case("code").then_some(value)
    });
    let value = values.next().ok_or(UrlFault::CodeMissing)?;
    let runs = page.split(|c: char| !c.is_ascii_digit()).filter(|run| run.len() >= msfx::DIGITS);
    if values.next().is_some() || runs.count() > 1 {
        return Err(UrlFault::CodeRepeated);
    }
    MsfxCode::parse(value).ok_or(UrlFault::CodeValue)
}
