//! Who may call what for whom: one table, and the gate that holds every call against it. The gate knows roles and
//! methods; whether an institution, a division or a case is somebody's own is looked at by the use case.
//!
//! A method that is not in the table is refused: whoever adds one must say who may call it.

use super::admission::{Admission, AdmissionLimits, Counted, Kept, Load, Own};
use super::caller::{self, Peer, Trust};
use super::{pb, status};
use crate::domain::access::{Principal, Role};
use crate::engine::Engine;
use prost::Message;
use prost_types::FileDescriptorSet;
use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tower_layer::Layer;

/// For whom a role may call a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// For nobody.
    Nobody,
    /// For itself: an institution, the members of a chain, the divisions of a bureau.
    Own,
    /// For everybody.
    Everybody,
}

/// Who may call a method, for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right {
    /// Service and method.
    pub method: &'static str,
    /// One counter of an institution.
    pub terminal: Reach,
    /// An institution.
    pub institution: Reach,
    /// The head office of a chain.
    pub chain: Reach,
    /// Somebody at a bureau who looks.
    pub reader: Reach,
    /// Somebody at a bureau who decides and loads.
    pub bureau: Reach,
    /// The operator of the gateway.
    pub operator: Reach,
    /// Whoever reads the audit trail.
    pub auditor: Reach,
}

const PACKAGE: &str = "tracegate.v1";
/// Tools that list services.
const REFLECTION: &str = "/grpc.reflection.";
/// Whether a server serves: asked by load balancers.
const HEALTH: &str = "/grpc.health.v1.Health/";

/// A method that nobody may call: what the others begin with.
pub const SHUT: Right = Right {
    method: "",
    terminal: Reach::Nobody,
    institution: Reach::Nobody,
    chain: Reach::Nobody,
    reader: Reach::Nobody,
    bureau: Reach::Nobody,
    operator: Reach::Nobody,
    auditor: Reach::Nobody,
};

/// What whoever runs the gateway does.
const fn operator(method: &'static str) -> Right {
    Right { method, operator: Reach::Everybody, ..SHUT }
}

/// What the auditor reads.
const fn audit(method: &'static str) -> Right {
    Right { auditor: Reach::Everybody, ..operator(method) }
}

/// What is done at a counter, and by no bureau for it.
const fn counter(method: &'static str) -> Right {
    let own = Reach::Own;
    Right { terminal: own, institution: own, chain: own, ..operator(method) }
}

/// What everybody may look up for themselves.
const fn own(method: &'static str) -> Right {
    Right { reader: Reach::Own, bureau: Reach::Own, ..counter(method) }
}

/// What is about cases, and no matter of counters.
const fn office(method: &'static str) -> Right {
    Right { terminal: Reach::Nobody, ..own(method) }
}

/// As [`office`], and changes something.
const fn office_acts(method: &'static str) -> Right {
    Right { reader: Reach::Nobody, ..office(method) }
}

/// What a bureau looks up for its divisions.
const fn bureau(method: &'static str) -> Right {
    Right { reader: Reach::Own, bureau: Reach::Own, ..operator(method) }
}

/// What a bureau decides or loads for its divisions.
const fn bureau_acts(method: &'static str) -> Right {
    Right { reader: Reach::Nobody, ..bureau(method) }
}

/// What everybody may read.
const fn everybody(method: &'static str) -> Right {
    let all = Reach::Everybody;
    Right { terminal: all, institution: all, chain: all, reader: all, bureau: all, ..operator(method) }
}

/// The table.
pub const RIGHTS: [Right; 47] = [
    own("DispensingService/Check"),
    counter("DispensingService/Dispense"),
    counter("DispensingService/Confirm"),
    counter("DispensingService/Void"),
    counter("DispensingService/Return"),
    own("DispensingService/GetOutcome"),
    counter("DispensingService/Report"),
    counter("DispensingService/Scan"),
    bureau_acts("HistoryService/ImportSales"),
    everybody("PolicyService/GetPolicy"),
    own("PolicyService/Explain"),
    operator("PolicyService/ReloadPolicy"),
    operator("PolicyService/StartShadow"),
    operator("PolicyService/StopShadow"),
    bureau("PolicyService/GetShadow"),
    bureau_acts("PurchaseService/SubmitPurchases"),
    bureau_acts("PurchaseService/SubmitPurchaseFeeds"),
    own("PurchaseService/GetPurchase"),
    bureau_acts("RegistryService/LoadInstitutions"),
    bureau_acts("RegistryService/LoadGoLiveDates"),
    bureau_acts("RegistryService/LoadDrugs"),
    bureau_acts("RegistryService/LoadNoCodeList"),
    bureau_acts("RegistryService/LoadOwnSchemes"),
    own("RegistryService/GetInstitution"),
    everybody("RegistryService/GetDrug"),
    everybody("RegistryService/GetNoCodeList"),
    everybody("RegistryService/GetOwnSchemes"),
    everybody("RegistryService/GetRegistryStatus"),
    office("BureauService/ListCases"),
    office("BureauService/GetCase"),
    office_acts("BureauService/AdvanceCase"),
    office("BureauService/WatchCases"),
    office("BureauService/SummarizeDuplicates"),
    office("BureauService/SummarizeCompliance"),
    office("BureauService/ExportDuplicates"),
    operator("BureauService/RunAudit"),
    bureau("BureauService/GetCodeHistory"),
    bureau_acts("BureauService/PutMakersErrors"),
    everybody("BureauService/ListMakersErrors"),
    office_acts("AdminService/CreateKey"),
    office_acts("AdminService/ListKeys"),
    office_acts("AdminService/RevokeKey"),
    operator("AdminService/ListJoinKeys"),
    operator("AdminService/RotateJoinKey"),
    operator("AdminService/DestroyJoinKey"),
    operator("AdminService/Purge"),
    audit("AdminService/ReadAuditTrail"),
];

impl Right {
    /// For whom a role may call it.
    pub const fn reach(&self, role: Role) -> Reach {
        match role {
            Role::Terminal => self.terminal,
            Role::Institution => self.institution,
            Role::Chain => self.chain,
            Role::Reader => self.reader,
            Role::Bureau => self.bureau,
            Role::Operator => self.operator,
            Role::Auditor => self.auditor,
        }
    }

    /// The roles that may call it, in words.
    fn callers(&self) -> String {
        let may = |role: &&Role| self.reach(**role) != Reach::Nobody;
        Role::ALL.iter().filter(may).map(|role| role.name()).collect::<Vec<_>>().join(", ")
    }
}

/// Puts the gate before all services.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Gatekeeper>);

#[derive(Debug)]
struct Gatekeeper {
    engine: Arc<Engine>,
    trust: Trust,
    admission: Admission,
    rights: HashMap<String, Method>,
    /// What a call is answered while too many are worked on.
    overload: HeaderMap,
}

/// Why a call is not let in.
enum Refused {
    Told(Box<Status>),
    Overload,
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Self::Told(Box::new(status))
    }
}

/// A method as the gate knows it.
#[derive(Debug, Clone, Copy)]
struct Method {
    right: Right,
    /// More than one message, one way or the other.
    streams: bool,
}

/// A call that may be made.
struct LetIn {
    /// Who makes it; `None` = nobody need say who they are.
    caller: Option<Principal>,
    places: (Option<Counted>, Option<Own>),
    streams: bool,
}

/// What the use case itself charges its caller for: it knows which requests are known, and counts the messages of a stream.
const CHARGED_BY_USE_CASE: [&str; 7] = [
    "DispensingService/Check",
    "DispensingService/Dispense",
    "DispensingService/Confirm",
    "DispensingService/Void",
    "DispensingService/Return",
    "DispensingService/Report",
    "DispensingService/Scan",
];

/// Service and method of what has more than one message, one way or the other.
fn streaming_methods() -> HashSet<String> {
    let files = FileDescriptorSet::decode(pb::DESCRIPTORS).unwrap_or_default().file;
    let mut streaming = HashSet::new();
    for service in files.iter().flat_map(|file| &file.service) {
        let methods = service.method.iter().filter(|m| m.client_streaming() || m.server_streaming());
        streaming.extend(methods.map(|method| format!("{}/{}", service.name(), method.name())));
    }
    streaming
}

impl Gate {
    /// A gate that holds calls against [`RIGHTS`] and limits.
    pub fn new(engine: Arc<Engine>, trust: Trust, limits: AdmissionLimits) -> Self {
        let streaming = streaming_methods();
        let method = |right: Right| {
            let streams = streaming.contains(right.method);
            (format!("/{PACKAGE}.{}", right.method), Method { right, streams })
        };
        let rights = RIGHTS.into_iter().map(method).collect();
        let (admission, overload) = (Admission::new(limits), status::overload());
        Self(Arc::new(Gatekeeper { engine, trust, admission, rights, overload }))
    }

    /// How much is worked on behind it: connections are read accordingly.
    pub fn load(&self) -> Load {
        self.0.admission.load()
    }
}

impl Gatekeeper {
    fn let_in(&self, request: &Request<Body>) -> Result<LetIn, Refused> {
        let path = request.uri().path();
        let free = LetIn { caller: None, places: (None, None), streams: false };
        if path.starts_with(HEALTH) {
            return Ok(free);
        }
        let caller = || caller::of_call(&self.engine, &self.trust, request);
        if path.starts_with(REFLECTION) {
            if caller()?.identity.role() == Role::Operator {
                return Ok(free);
            }
            return Err(Status::permission_denied("only the operator may list services").into());
        }
        let Some(Method { right, streams }) = self.rights.get(path) else {
            return Err(Status::unimplemented("this gateway has no such method").into());
        };
        // Before anything is looked up: under overload a refusal must cost next to nothing.
        let in_flight = if *streams { None } else { Some(self.admission.call().ok_or(Refused::Overload)?) };
        let caller = caller()?;
        if right.reach(caller.identity.role()) == Reach::Nobody {
            return Err(Status::permission_denied(format!(
                "{} may not call {}; these may: {} (docs/roles.md)",
                caller.identity,
                right.method,
                right.callers()
            ))
            .into());
        }
        if !CHARGED_BY_USE_CASE.contains(&right.method) {
            self.engine.charge(&caller).map_err(|e| status::of(&e))?;
        }
        let own =
            if *streams { self.admission.own_stream(&caller) } else { self.admission.own_call(&caller) };
        let own = own.map_err(|e| status::of(&e))?;
        Ok(LetIn { caller: Some(caller), places: (in_flight, Some(own)), streams: *streams })
    }
}

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Gated { gate: self.clone(), inner }
    }
}

/// A service behind the gate.
#[derive(Debug, Clone)]
pub struct Gated<S> {
    gate: Gate,
    inner: S,
}

impl<S> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        match self.gate.0.let_in(&request) {
            Ok(LetIn { caller, places, streams }) => {
                if let Some(caller) = caller {
                    request.extensions_mut().insert(caller);
                }
                let answering = self.inner.call(request);
                Box::pin(async move {
                    // Named, so that it lives until the answer is there.
                    let (_in_flight, own) = places;
                    let answer = answering.await;
                    match own {
                        Some(own) if streams => Ok(answer?.map(|body| Body::new(Kept::new(body, own)))),
                        Some(_) | None => answer,
                    }
                })
            }
            Err(Refused::Told(status)) => Box::pin(std::future::ready(Ok(status.into_http()))),
            Err(Refused::Overload) => {
                if let Some(peer) = request.extensions().get::<Peer>() {
                    peer.refusals.one();
                }
                Box::pin(std::future::ready(Ok(status::overloaded(&self.gate.0.overload))))
            }
        }
    }
}
