//! Compiles the protos without a system protoc and keeps their descriptors for reflection.

use std::path::PathBuf;

const PROTOS: [&str; 4] = ["common", "dispensing", "purchase", "registry"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = PROTOS.map(|name| format!("tracegate/v1/{name}.proto"));
    for file in &files {
        println!("cargo:rerun-if-changed=proto/{file}");
    }
    let descriptors = protox::compile(&files, ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?).join("tracegate_descriptor.bin");
    tonic_prost_build::configure()
        .file_descriptor_set_path(&out)
        .build_client(true)
        .compile_fds(descriptors.clone())?;
    std::fs::write(out, prost::Message::encode_to_vec(&descriptors))?;
    Ok(())
}
