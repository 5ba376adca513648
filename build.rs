//! Compiles the protos without a system protoc and keeps their descriptors for reflection.

use std::path::PathBuf;

const PROTOS: [&str; 8] =
    ["admin", "bureau", "common", "dispensing", "history", "policy", "purchase", "registry"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = PROTOS.map(|name| format!("tracegate/v1/{name}.proto"));
    for file in &files {
        println!("cargo:rerun-if-changed=proto/{file}");
    }
    let descriptors = protox::compile(&files, ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?).join("tracegate_descriptor.bin");
    tonic_prost_build::configure()
        .file_descriptor_set_path(&out)
        .build_server(false)
        .compile_fds(descriptors.clone())?;
    compile_servers(descriptors.clone())?;
    std::fs::write(out, prost::Message::encode_to_vec(&descriptors))?;
    Ok(())
}

/// The servers, over the messages that stand already. They read through a codec of our own, because a message of a
/// `Scan` stream may be damaged and the stream goes on: it arrives as a type that says so.
fn compile_servers(descriptors: prost_types::FileDescriptorSet) -> Result<(), Box<dyn std::error::Error>> {
    let out = PathBuf::from(std::env::var("OUT_DIR")?).join("servers");
    std::fs::create_dir_all(&out)?;
    tonic_prost_build::configure()
        .out_dir(out)
        .build_client(false)
        .extern_path(".tracegate.v1", "crate::grpc::pb")
        .extern_path(".tracegate.v1.ScanRequest", "crate::grpc::scan::Incoming")
        .codec_path("crate::grpc::codec::WireCodec")
        .compile_fds(descriptors)?;
    Ok(())
}
