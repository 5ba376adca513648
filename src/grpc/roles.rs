//! Who may call what for whom: one table, and the gate that holds every call against it. The gate knows roles and
//! methods; whether an institution, a division or a case is somebody's own is looked at by the use case.
//!
//! A method that is not in the table is refused: whoever adds one must say who may call it.

use super::caller;
use crate::domain::party::Caller;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{Request, Response};
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
    /// An institution.
    pub institution: Reach,
    /// The head office of a chain.
    pub chain: Reach,
    /// A bureau.
    pub bureau: Reach,
    /// The operator of the gateway.
    pub operator: Reach,
}

const PACKAGE: &str = "tracegate.v1";
/// Tools that list services.
const REFLECTION: &str = "/grpc.reflection.";
/// Whether a server serves: asked by load balancers.
const HEALTH: &str = "/grpc.health.v1.Health/";

/// What an institution does at its counter, and no bureau for it.
const fn counter(method: &'static str) -> Right {
    let own = Reach::Own;
    Right { method, institution: own, chain: own, bureau: Reach::Nobody, operator: Reach::Everybody }
}

/// What everybody may do for themselves.
const fn own(method: &'static str) -> Right {
    Right { bureau: Reach::Own, ..counter(method) }
}

/// What a bureau does for its divisions.
const fn bureau(method: &'static str) -> Right {
    let nobody = Reach::Nobody;
    Right { institution: nobody, chain: nobody, ..own(method) }
}

/// What whoever runs the gateway does.
const fn operator(method: &'static str) -> Right {
    Right { bureau: Reach::Nobody, ..bureau(method) }
}

/// What everybody may read.
const fn everybody(method: &'static str) -> Right {
    let all = Reach::Everybody;
    Right { method, institution: all, chain: all, bureau: all, operator: all }
}

/// The table.
pub const RIGHTS: [Right; 39] = [
    own("DispensingService/Check"),
    counter("DispensingService/Dispense"),
    counter("DispensingService/Confirm"),
    counter("DispensingService/Void"),
    counter("DispensingService/Return"),
    own("DispensingService/GetOutcome"),
    counter("DispensingService/Report"),
    counter("DispensingService/Scan"),
    bureau("HistoryService/ImportSales"),
    everybody("PolicyService/GetPolicy"),
    own("PolicyService/Explain"),
    operator("PolicyService/ReloadPolicy"),
    operator("PolicyService/StartShadow"),
    operator("PolicyService/StopShadow"),
    bureau("PolicyService/GetShadow"),
    bureau("PurchaseService/SubmitPurchases"),
    bureau("PurchaseService/SubmitPurchaseFeeds"),
    own("PurchaseService/GetPurchase"),
    bureau("RegistryService/LoadInstitutions"),
    bureau("RegistryService/LoadGoLiveDates"),
    bureau("RegistryService/LoadDrugs"),
    bureau("RegistryService/LoadNoCodeList"),
    bureau("RegistryService/LoadOwnSchemes"),
    own("RegistryService/GetInstitution"),
    everybody("RegistryService/GetDrug"),
    everybody("RegistryService/GetNoCodeList"),
    everybody("RegistryService/GetOwnSchemes"),
    everybody("RegistryService/GetRegistryStatus"),
    own("BureauService/ListCases"),
    own("BureauService/GetCase"),
    own("BureauService/AdvanceCase"),
    own("BureauService/WatchCases"),
    own("BureauService/SummarizeDuplicates"),
    own("BureauService/SummarizeCompliance"),
    own("BureauService/ExportDuplicates"),
    operator("BureauService/RunAudit"),
    bureau("BureauService/GetCodeHistory"),
    bureau("BureauService/PutMakersErrors"),
    everybody("BureauService/ListMakersErrors"),
];

impl Right {
    /// Who may call it, in words.
    const fn callers(&self) -> &'static str {
        match (self.institution, self.bureau) {
            (Reach::Nobody, Reach::Nobody) => "the operator",
            (Reach::Nobody, _) => "a bureau or the operator",
            (_, Reach::Nobody) => "an institution, its chain or the operator",
            (_, _) => "whoever says who it is",
        }
    }

    const fn reach(&self, caller: &Caller) -> Reach {
        match caller {
            Caller::Institution(_) => self.institution,
            Caller::Chain(_) => self.chain,
            Caller::Bureau(_) => self.bureau,
            Caller::Operator => self.operator,
        }
    }
}

/// Puts the gate before all services.
#[derive(Debug, Clone)]
pub struct Gate(Arc<HashMap<String, Right>>);

impl Gate {
    /// A gate that holds calls against [`RIGHTS`].
    pub fn new() -> Self {
        let path = |right: Right| (format!("/{PACKAGE}.{}", right.method), right);
        Self(Arc::new(RIGHTS.into_iter().map(path).collect()))
    }

    /// The caller of a call that may be made; `None` = nobody need say who they are.
    fn let_in(&self, request: &Request<Body>) -> Result<Option<Caller>, Status> {
        let path = request.uri().path();
        if path.starts_with(HEALTH) {
            return Ok(None);
        }
        if path.starts_with(REFLECTION) {
            return match caller::of_call(request)? {
                Caller::Operator => Ok(None),
                Caller::Institution(_) | Caller::Chain(_) | Caller::Bureau(_) => {
                    Err(Status::permission_denied("only the operator may list services"))
                }
            };
        }
        let Some(right) = self.0.get(path) else {
            return Err(Status::unimplemented("this gateway has no such method"));
        };
        let caller = caller::of_call(request)?;
        match right.reach(&caller) {
            Reach::Own | Reach::Everybody => Ok(Some(caller)),
            Reach::Nobody => {
                let why = format!("only {} may call {} (docs/roles.md)", right.callers(), right.method);
                Err(Status::permission_denied(why))
            }
        }
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
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
        match self.gate.let_in(&request) {
            Ok(caller) => {
                if let Some(caller) = caller {
                    request.extensions_mut().insert(caller);
                }
                Box::pin(self.inner.call(request))
            }
            Err(refused) => Box::pin(std::future::ready(Ok(refused.into_http()))),
        }
    }
}
