//! `cases advance`: what people do to a case.

use super::{Gateway, print, refused};
use crate::grpc::pb;
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Examples of `cases advance`.
pub(super) const EXAMPLES: &str = "Examples:
  tracegate cases advance 83003850000000131888-1 push --person 李明
  tracegate cases advance 83003850000000131888-1 explain --as 'institution P13010200101' \\
      --person 王芳 --note '扫码后顾客未付款' --file invoice.pdf
  tracegate cases advance 83003850000000131888-1 begin-review --as 'bureau 1301' --person 李明
  tracegate cases advance 83003850000000131888-1 close --ending violation --person 李明 --note '核实为串换'
  tracegate cases advance 83003850000000131888-1 annul-event --event 2 --person 李明 --note '单据号录错'

Files are not sent: their names, sizes and SHA-256 are noted in the step. A second review is closed by somebody else
than whoever began the first one.";

/// What can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Action {
    /// Send it to the institution (推送).
    Push,
    /// Explain it; for the institution (说明).
    Explain,
    /// Appeal against it; for the institution (申诉).
    Appeal,
    /// Begin the first review (初审).
    BeginReview,
    /// Hand it to a second reviewer (复审).
    BeginSecondReview,
    /// Close it with --ending (结案).
    Close,
    /// Mark money that was given back voluntarily (主动退款).
    MarkRefund,
    /// Take a wrong event out, by its number in `tracegate history` (撤销事件).
    AnnulEvent,
    /// Accept what a late event proposes (采纳建议).
    AcceptProposal,
    /// Reject it (驳回建议).
    RejectProposal,
}

/// How a case ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Ending {
    /// A violation: what was paid for the duplicate is recovered, once.
    Violation,
    /// Lawful.
    Lawful,
    /// The maker printed the code twice.
    MakersError,
    /// What was reported is wrong.
    DataError,
}

/// Arguments of `cases advance`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The case's id.
    case_id: String,
    /// What is done.
    #[arg(value_enum)]
    action: Action,
    /// Who does it: the person's name.
    #[arg(long, value_name = "NAME")]
    person: String,
    /// Why, in your words.
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// A file that is kept elsewhere; may be given several times.
    #[arg(long, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// How the case ends.
    #[arg(long, value_enum)]
    ending: Option<Ending>,
    /// Yuan to recover (close as a violation; default: all that is at stake) or that were given back.
    #[arg(long, value_name = "YUAN", default_value = "")]
    amount: String,
    /// The event's number in the code's history.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    event: u32,
    /// Only if the case is still at this version.
    #[arg(long, value_name = "VERSION", default_value_t = 0)]
    version: u32,
    #[command(flatten)]
    gateway: Gateway,
}

pub(super) async fn run(args: Args) -> Result<()> {
    if args.action == Action::Close && args.ending.is_none() {
        bail!("say how the case ends: --ending violation, lawful, makers-error or data-error");
    }
    let files = args.file.iter().map(|path| reference(path)).collect::<Result<_>>()?;
    let request = pb::AdvanceCaseRequest {
        case_id: args.case_id,
        action: action(args.action).into(),
        person: args.person,
        note: args.note,
        files,
        ending: args.ending.map(ending).unwrap_or_default().into(),
        amount: args.amount,
        event_number: args.event,
        version: args.version,
    };
    let mut clients = args.gateway.connect().await?;
    let request = args.gateway.request(request)?;
    let answer = clients.bureau.advance_case(request).await.map_err(|status| refused(&status))?;
    print(&answer.into_inner().case.unwrap_or_default(), args.gateway.json)
}

const fn action(action: Action) -> pb::CaseAction {
    match action {
        Action::Push => pb::CaseAction::Push,
        Action::Explain => pb::CaseAction::Explain,
        Action::Appeal => pb::CaseAction::Appeal,
        Action::BeginReview => pb::CaseAction::BeginReview,
        Action::BeginSecondReview => pb::CaseAction::BeginSecondReview,
        Action::Close => pb::CaseAction::Close,
        Action::MarkRefund => pb::CaseAction::MarkRefund,
        Action::AnnulEvent => pb::CaseAction::AnnulEvent,
        Action::AcceptProposal => pb::CaseAction::AcceptProposal,
        Action::RejectProposal => pb::CaseAction::RejectProposal,
    }
}

const fn ending(ending: Ending) -> pb::CaseEnding {
    match ending {
        Ending::Violation => pb::CaseEnding::Violation,
        Ending::Lawful => pb::CaseEnding::Lawful,
        Ending::MakersError => pb::CaseEnding::MakersError,
        Ending::DataError => pb::CaseEnding::DataError,
    }
}

/// Bytes of a file that are read at once.
const BUFFER_BYTES: usize = 64 << 10;

/// Name, size and hash of a file.
fn reference(path: &Path) -> Result<pb::FileReference> {
    let unreadable = || format!("{} cannot be read", path.display());
    let mut file = File::open(path).with_context(unreadable)?;
    let mut hasher = Sha256::new();
    let (mut buffer, mut size_bytes) = (vec![0; BUFFER_BYTES], 0);
    loop {
        let read = file.read(&mut buffer).with_context(unreadable)?;
        if read == 0 {
            break;
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
        size_bytes += read as u64;
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let sha256 = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(pb::FileReference { name, sha256, size_bytes })
}
