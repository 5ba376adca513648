//! Who may call what: every method in every role, against the table and its page.

use super::as_caller;
use crate::support::world::{PHARMACY, World};
use prost::Message;
use prost_types::FileDescriptorSet;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;
use tracegate::domain::access::Role;
use tracegate::grpc::{RIGHTS, Reach, pb};

/// Roles in the order of the table's columns.
fn roles() -> Vec<String> {
    let named = |role: &Role| match role {
        Role::Terminal | Role::Institution => format!("{role} {PHARMACY}"),
        Role::Chain => "chain NOBODY".to_owned(),
        Role::Reader | Role::Bureau => format!("{role} 1201"),
        Role::Operator | Role::Auditor => role.to_string(),
    };
    Role::ALL.iter().map(named).collect()
}

fn reaches(right: &tracegate::grpc::Right) -> impl Iterator<Item = Reach> {
    Role::ALL.iter().map(|role| right.reach(*role))
}

/// Every method of the protos.
fn methods() -> BTreeSet<String> {
    let files = FileDescriptorSet::decode(pb::DESCRIPTORS).expect("descriptors").file;
    let services = files.iter().flat_map(|file| &file.service);
    let name = |service: &prost_types::ServiceDescriptorProto| {
        let of =
            |method: &prost_types::MethodDescriptorProto| format!("{}/{}", service.name(), method.name());
        service.method.iter().map(of).collect::<Vec<_>>()
    };
    services.flat_map(name).collect()
}

/// Calls a method with one empty message, whatever it is; gives how the answer begins.
async fn call(channel: &Channel, path: &str, caller: &str) -> Result<(), Status> {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.expect("the gateway answers");
    let path = PathAndQuery::try_from(path).expect("a path");
    let request = as_caller(tokio_stream::once(()), caller);
    grpc.streaming(request, path, ProstCodec::<(), ()>::default()).await.map(drop)
}

#[test]
fn the_table_names_every_method_once() {
    let named: Vec<_> = RIGHTS.iter().map(|right| right.method.to_owned()).collect();
    assert_eq!(named.iter().cloned().collect::<BTreeSet<_>>(), methods());
    assert_eq!(named.len(), methods().len());
}

#[test]
fn the_page_shows_the_table() {
    let page = include_str!("../../../docs/roles.md");
    let word = |reach: Reach| match reach {
        Reach::Nobody => "nobody",
        Reach::Own => "own",
        Reach::Everybody => "everybody",
    };
    let row = |right: &tracegate::grpc::Right| {
        format!("| `{}` | {} |", right.method, reaches(right).map(word).collect::<Vec<_>>().join(" | "))
    };
    let expected: Vec<_> = RIGHTS.iter().map(row).collect();
    let shown: Vec<_> = page.lines().filter(|line| line.contains("Service/")).collect();
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn every_method_is_refused_to_exactly_those_roles_that_may_not_call_it() {
    let world = World::start().await;
    for right in &RIGHTS {
        let path = format!("/tracegate.v1.{}", right.method);
        for (caller, reach) in roles().iter().zip(reaches(right)) {
            let refusal = call(&world.channel, &path, caller).await.err();
            let gated = refusal.as_ref().is_some_and(|status| status.message().contains("docs/roles.md"));
            assert_eq!(gated, reach == Reach::Nobody, "{} as {caller}: {refusal:?}", right.method);
            if gated {
                assert_eq!(refusal.map(|status| status.code()), Some(Code::PermissionDenied));
            }
        }
        let nobody = call(&world.channel, &path, "somebody").await.expect_err("nobody's role");
        assert_eq!(nobody.code(), Code::Unauthenticated, "{}", right.method);
    }
    world.stop().await;
}

#[tokio::test]
async fn what_is_not_listed_is_refused_and_only_the_operator_lists() {
    let world = World::start().await;
    for path in ["/tracegate.v1.DispensingService/Forget", "/tracegate.v1.Other/Check", "/x"] {
        let refused = call(&world.channel, path, "operator").await.expect_err("no such method");
        assert_eq!(refused.code(), Code::Unimplemented, "{path}");
    }
    let list = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let refused = call(&world.channel, list, "bureau 12").await.expect_err("not for bureaus");
    assert_eq!(refused.code(), Code::PermissionDenied);
    call(&world.channel, list, "operator").await.expect("the operator may");
    call(&world.channel, "/grpc.health.v1.Health/Check", "somebody").await.expect("everybody may");
    world.stop().await;
}

fn serve(data: &std::path::Path, arguments: &[&str]) -> Child {
    Command::new(crate::support::process::PROGRAM)
        .args(["serve", "--http", "off", "--data-dir"])
        .arg(data)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs")
}

#[test]
fn an_address_that_others_can_reach_is_refused_unless_it_is_said() {
    let data = tempfile::tempdir().expect("a directory");
    let refused = serve(data.path(), &["--listen", "0.0.0.0:0"]).wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("--insecure") && said.contains("0.0.0.0:0"), "{said}");
    let mut insecure = serve(data.path(), &["--listen", "0.0.0.0:0", "--insecure"]);
    let lines = BufReader::new(insecure.stderr.take().expect("a pipe")).lines();
    let warned = lines.map_while(Result::ok).find(|line| line.starts_with("WARNING"));
    insecure.kill().expect("it can be ended");
    insecure.wait().expect("it ends");
    assert!(warned.is_some_and(|line| line.contains("believes callers what they say they are")));
}
