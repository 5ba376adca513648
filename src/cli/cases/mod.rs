//! `cases` and `history`: duplicates for the bureau, and for institutions that answer.

mod advance;
mod export;
mod list;
mod shown;
mod words;

pub(super) use list::Asked;
pub(super) use shown::{details_in_words, rfc3339, when};
pub(super) use words::in_words;

use super::connect::{Clients, DEFAULT_ADDRESS};
use super::credentials::Credentials;
use super::show::say;
use crate::grpc::{CALLER_KEY, pb};
use anyhow::{Context, Result, anyhow};
use clap::Subcommand;
use tonic::metadata::MetadataValue;
use tonic::{Request, Status};

/// Arguments of `cases`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tracegate cases list --state detected --division 1301
  tracegate cases show 83003850000000131888-1
  tracegate cases advance 83003850000000131888-1 push --person 李明
  tracegate cases export --format xlsx --out cases.xlsx
  tracegate cases watch --json")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Cases, newest first (疑点案件列表).
    #[command(after_help = list::EXAMPLES)]
    List(Box<list::Args>),
    /// One case: who sold the box when, what was said, what was decided.
    #[command(after_help = "Examples:
  tracegate cases show 83003850000000131888-1
  tracegate cases show 83003850000000131888-1 --as 'institution P13010200101' --json")]
    Show(ShowArgs),
    /// Push, explain, appeal, review, close (推送, 说明, 申诉, 初审, 复审, 结案).
    #[command(after_help = advance::EXAMPLES)]
    Advance(Box<advance::Args>),
    /// Cases as a file, a row for each sale or attempt (导出).
    #[command(after_help = export::EXAMPLES)]
    Export(Box<export::Args>),
    /// Cases as they change, until Ctrl-C.
    #[command(after_help = "Examples:
  tracegate cases watch
  tracegate cases watch --json --resume 1763838900123456")]
    Watch(WatchArgs),
}

/// Which gateway, as whom, and how to print the answer.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Gateway {
    /// The gateway.
    #[arg(long = "gateway", value_name = "ADDRESS", default_value = DEFAULT_ADDRESS)]
    pub address: String,
    /// As whom to ask, where the gateway believes its callers: 'operator', 'bureau DIVISION', 'reader DIVISION',
    /// 'institution CODE' or 'chain GROUP' [default: whom key or certificate name, else the operator].
    #[arg(long = "as", value_name = "CALLER")]
    pub caller: Option<String>,
    /// JSON instead of tables; lists one object a line.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub credentials: Credentials,
}

impl Gateway {
    /// A request from whom the command line says.
    pub fn request<T>(&self, message: T) -> Result<Request<T>> {
        let mut request = Request::new(message);
        if let Some(caller) = &self.caller {
            let value = MetadataValue::try_from(caller.as_str());
            let value = value.with_context(|| format!("--as {caller:?} is no caller"))?;
            request.metadata_mut().insert(CALLER_KEY, value);
        }
        Ok(request)
    }

    /// A connection.
    pub async fn connect(&self) -> Result<Clients> {
        Clients::connect(&self.address, &self.credentials).await
    }
}

/// What a gateway refused.
pub(super) fn refused(status: &Status) -> anyhow::Error {
    // What has a source came from this side: no answer of a gateway arrived.
    if std::error::Error::source(status).is_some() {
        let hint = "a gateway with TLS is reached with --ca";
        return anyhow!("the connection failed: {} ({hint})", status.message());
    }
    anyhow!("the gateway refused: {}", status.message())
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The case's id.
    case_id: String,
    #[command(flatten)]
    gateway: Gateway,
}

#[derive(Debug, clap::Args)]
struct WatchArgs {
    /// Go on behind this token; every answer of --json has one. Without it, from now on.
    #[arg(long, value_name = "TOKEN")]
    resume: Option<String>,
    #[command(flatten)]
    gateway: Gateway,
}

pub(super) async fn run(args: Args) -> Result<()> {
    match args.command {
        Command::List(args) => list::run(*args).await,
        Command::Show(args) => show(args).await,
        Command::Advance(args) => advance::run(*args).await,
        Command::Export(args) => export::run(*args).await,
        Command::Watch(args) => watch(args).await,
    }
}

async fn show(args: ShowArgs) -> Result<()> {
    let mut clients = args.gateway.connect().await?;
    let request = args.gateway.request(pb::GetCaseRequest { case_id: args.case_id })?;
    let answer = clients.bureau.get_case(request).await.map_err(|status| refused(&status))?;
    let case = answer.into_inner().case.unwrap_or_default();
    print(&case, args.gateway.json)
}

/// One case, for people or for programs.
pub(super) fn print(case: &pb::Case, json: bool) -> Result<()> {
    if json { say(serde_json::to_string(&shown::CaseJson::of(case))?) } else { shown::print(case) }
}

async fn watch(args: WatchArgs) -> Result<()> {
    let mut clients = args.gateway.connect().await?;
    let from_now = args.resume.is_none();
    let watch = pb::WatchCasesRequest { resume_token: args.resume.unwrap_or_default(), from_now };
    let answer = clients.bureau.watch_cases(args.gateway.request(watch)?).await;
    let mut cases = answer.map_err(|status| refused(&status))?.into_inner();
    while let Some(answer) = cases.message().await.map_err(|status| refused(&status))? {
        let Some(case) = answer.case else { continue };
        if args.gateway.json {
            let case = shown::CaseJson::of(&case);
            let told = serde_json::json!({ "resume_token": answer.resume_token, "case": case });
            say(told)?;
        } else {
            say(list::line(&case))?;
        }
    }
    Ok(())
}
