//! What one gateway of a fleet does is known to all others.

use super::races::Stores;
use crate::acceptance::on_redis::options;
use crate::acceptance::samples;
use crate::support::process::{GatewayProcess, page};
use crate::support::redis::RedisServer;
use crate::support::world::{
    DRUG, OTHER_PHARMACY, PHARMACY, code, connect, dispense, document, knows_the_province, load_province,
};
use crate::support::{eventually, within};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tracegate::clock::{Clock, Stopwatch, SystemClock};
use tracegate::domain::code::CodeKey;
use tracegate::grpc::pb;
use tracegate::grpc::pb::dispensing_service_client::DispensingServiceClient;
use tracegate::grpc::pb::registry_service_client::RegistryServiceClient;
use tracegate::store::redis::{RedisOptions, RedisStore};
use tracegate::store::{ClaimFeed, ClaimFollower, ClaimLedger, Store};

/// Gateways over one Redis.
pub struct Fleet {
    pub gateways: Vec<GatewayProcess>,
    pub dirs: Vec<TempDir>,
    pub url: String,
}

impl Fleet {
    /// Starts gateways and loads the province over the first.
    pub async fn start(url: &str, count: usize, env: &[(&str, &str)]) -> Self {
        let dirs: Vec<_> = (0..count).map(|_| tempfile::tempdir().expect("a directory")).collect();
        let start = |dir: &TempDir| GatewayProcess::start_in_fleet(dir.path(), url, env);
        let gateways: Vec<_> = dirs.iter().map(start).collect();
        load_province(&connect(&gateways[0].address).await).await;
        let fleet = Self { gateways, dirs, url: url.to_owned() };
        for gateway in &fleet.gateways {
            knows_the_province(&gateway.address).await;
        }
        fleet
    }

    pub async fn gate(&self, at: usize) -> DispensingServiceClient<tonic::transport::Channel> {
        DispensingServiceClient::new(connect(&self.gateways[at].address).await)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_were_loaded_elsewhere_a_moment_ago_are_not_missed() {
    let server = RedisServer::start();
    let fleet = Fleet::start(&server.url(), 2, &[]).await;
    let first = connect(&fleet.gateways[0].address).await;
    let second = RegistryServiceClient::new(connect(&fleet.gateways[1].address).await);
    for n in 0..5 {
        let institution_code = format!("P1201010010{n}");
        let institution = pb::Institution {
            institution_code: institution_code.clone(),
            name: institution_code.clone(),
            kind: "pharmacy".into(),
            division: "120101".into(),
            ownership: "private".into(),
            agreement_signed_on: "2019-05-01".into(),
            status: "active".into(),
            ..pb::Institution::default()
        };
        let rows = tokio_stream::iter([pb::LoadInstitutionsRequest { institution: Some(institution) }]);
        let loaded = RegistryServiceClient::new(first.clone()).load_institutions(rows).await;
        assert!(loaded.expect("it is loaded").into_inner().results.iter().all(|row| row.refusal.is_empty()));
        // Before the second gateway has looked what the first one loaded.
        let drug = pb::Drug {
            code_prefix: format!("812346{n}"),
            catalog_code: DRUG.into(),
            name: "药品".into(),
            pack_level: "small".into(),
            units_per_pack: 1,
            drug_class: "western".into(),
            dosage_form: "tablet".into(),
            ..pb::Drug::default()
        };
        let rows = tokio_stream::iter([pb::LoadDrugsRequest { drug: Some(drug) }]);
        let loaded = second.clone().load_drugs(rows).await.expect("it is loaded").into_inner();
        assert!(loaded.results.iter().all(|row| row.refusal.is_empty()), "{loaded:?}");
        eventually("the second gateway knows both", || async {
            let asked = pb::GetInstitutionRequest { institution_code: institution_code.clone() };
            second.clone().get_institution(asked).await.ok()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_is_known_everywhere() {
    let server = RedisServer::start();
    let fleet = Fleet::start(&server.url(), 3, &[]).await;
    let sold = dispense(PHARMACY, "r1", &[code(1), code(2)]);
    let first = fleet.gate(0).await.dispense(sold.clone()).await.expect("an answer").into_inner();
    let first = first.decision.expect("a decision");
    assert_eq!(first.verdict(), pb::Verdict::Allow);
    for at in 0..3 {
        let mut gate = fleet.gate(at).await;
        // The same request anywhere gets the same answer, and everybody can be asked for it.
        let again = gate.dispense(sold.clone()).await.expect("an answer").into_inner().decision;
        assert_eq!(again.expect("a decision").outcome_id, first.outcome_id, "gateway {at}");
        let asked = pb::GetOutcomeRequest { institution_code: PHARMACY.into(), request_id: "r1".into() };
        let outcome = gate.get_outcome(asked).await.expect("an outcome").into_inner();
        assert_eq!(outcome.decision.expect("a decision").outcome_id, first.outcome_id, "gateway {at}");
        let other = dispense(OTHER_PHARMACY, &format!("other {at}"), &[code(2)]);
        let refused = gate.dispense(other).await.expect("an answer").into_inner().decision;
        let refused = refused.expect("a decision");
        assert_eq!(refused.verdict(), pb::Verdict::Block, "gateway {at}: {refused:?}");
        assert!(
            refused.findings.iter().any(|finding| finding.reason() == pb::Reason::Duplicate),
            "{refused:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_is_seen_by_the_index_of_others_within_a_second() {
    let server = RedisServer::start();
    let fleet = Fleet::start(&server.url(), 2, &[]).await;
    let (mut here, mut there) = (fleet.gate(0).await, fleet.gate(1).await);
    let mut slowest = Duration::ZERO;
    for n in 0..20 {
        let sold = dispense(PHARMACY, &format!("r{n}"), &[code(n)]);
        here.dispense(sold).await.expect("an answer");
        let started = Stopwatch::start();
        loop {
            let document = Some(document(OTHER_PHARMACY, "d", &[code(n)]));
            let check = pb::CheckRequest { document };
            let decision = there.check(check).await.expect("an answer").into_inner().decision;
            let decision = decision.expect("a decision");
            if decision.verdict() == pb::Verdict::Block {
                break;
            }
            // Not seen yet: then the answer must not claim to know what was sold since.
            let as_of = decision.ledger_as_of.expect("a moment");
            let decided = decision.decided_at.expect("a moment");
            assert!((as_of.seconds, as_of.nanos) < (decided.seconds, decided.nanos), "{decision:?}");
            assert!(started.elapsed() < Duration::from_secs(5), "box {n} is not seen");
            // signal: the feed of another gateway is read every now and then; nobody tells when.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        slowest = slowest.max(started.elapsed());
    }
    assert!(slowest <= Duration::from_secs(1), "the slowest was seen after {slowest:?}");
}

/// Counts what it was told, and whether something was missed.
#[derive(Default)]
struct Told {
    claims: AtomicUsize,
    missed: AtomicBool,
}

impl ClaimFollower for Told {
    fn claimed<'a>(&self, _: u64, claims: &mut dyn Iterator<Item = (&'a CodeKey, &'a [u8])>) {
        self.claims.fetch_add(claims.count(), Ordering::SeqCst);
    }

    fn lost(&self) {
        self.missed.store(true, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_that_was_cut_before_it_was_read_is_noticed() {
    let server = RedisServer::start();
    let stores = Stores::open(&server.url(), 2).await;
    let told = Arc::new(Told::default());
    stores.stores[1].follow(Arc::<Told>::clone(&told)).await.expect("it follows");
    let change = samples::claim(&[samples::code(1)], 0, "r1");
    stores.stores[0].commit(&change).await.expect("it is sold");
    eventually("the sale is told", || async { (told.claims.load(Ordering::SeqCst) > 0).then_some(()) }).await;
    assert!(!told.missed.load(Ordering::SeqCst), "nothing was missed yet");
    // Two more claims at once, and only the later one stays: as after a pause that the feed does not reach back over.
    let cut = "local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1][2]
        redis.call('XADD', KEYS[1], '*', unpack(last))
        redis.call('XADD', KEYS[1], '*', unpack(last))
        return redis.call('XTRIM', KEYS[1], 'MAXLEN', 1)";
    let feed = server.command(&["KEYS", "{g:*}feed"]);
    server.command(&["EVAL", cut, "1", feed.trim()]);
    eventually("it is told that claims were missed", || async {
        told.missed.load(Ordering::SeqCst).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_that_judge_by_different_rules_say_so() {
    let server = RedisServer::start();
    let dirs = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
    let rules = dirs[1].path().join("rules.toml");
    let rule = "[[rule]]\nreason = \"OVERSOLD\"\ndivision_prefix = \"12\"\nkind = \"pharmacy\"\nenforcement = \"observe\"\n";
    std::fs::write(&rules, rule).expect("the rules are written");
    let (url, rules) = (server.url(), rules.to_str().expect("a path").to_owned());
    let start = |dir: &TempDir, env: &[(&str, &str)]| {
        let args = ["--http", "127.0.0.1:0", "--init-codes", "100000"];
        GatewayProcess::start_with_args(&dir.path().join("data"), &args, env)
    };
    let first = start(&dirs[0], &[("TRACEGATE_STORE_URL", &url)]);
    let differing = |gateway: &GatewayProcess| {
        let (_, metrics) = page(&gateway.pages, "/metrics");
        let line = metrics.lines().find_map(|line| line.strip_prefix("tracegate_fleet_policies "));
        line.expect("it is measured").to_owned()
    };
    assert_eq!(differing(&first), "1");
    let second = start(&dirs[1], &[("TRACEGATE_STORE_URL", &url), ("TRACEGATE_POLICY_FILES", &rules)]);
    for gateway in [&first, &second] {
        eventually("both know", || async { (differing(gateway) == "2").then_some(()) }).await;
    }
    second.signal("TERM");
    assert!(second.wait().0.success());
    eventually("one is left", || async { (differing(&first) == "1").then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feeds_are_cut_by_age_and_keep_their_last_entry() {
    let server = RedisServer::start();
    let dir = tempfile::tempdir().expect("a directory");
    let short = RedisOptions { feed_kept: Duration::from_millis(1), ..options(&server.url()) };
    let store = RedisStore::open(dir.path(), &short, SystemClock.now()).await.expect("it opens");
    for n in 0..250_u32 {
        let change = samples::claim(&[samples::code(u64::from(n))], 0, &format!("r{n}"));
        store.commit(&change).await.expect("it is sold");
    }
    let feed = server.command(&["KEYS", "{g:*}feed"]);
    let entries = || server.command(&["XLEN", feed.trim()]).parse::<u32>().expect("a number");
    assert_eq!(entries(), 250);
    // Redis cuts whole nodes of a hundred entries.
    within(Duration::from_secs(30), "the feed is cut", || async { (entries() <= 101).then_some(()) }).await;
    assert!(entries() > 0, "the last one stays");
    store.close().await;
}
