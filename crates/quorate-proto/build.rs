//! Compiles `proto/` with protox, so that no protoc needs to be installed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let files = protox::compile(["quorate/log/v1/log.proto", "quorate/peer/v1/peer.proto"], [&root])?;
    // What is long is shared with the message that it came in.
    let long = ["payload", "log", "batch", "envelopes", "entries", "chunk"];
    let mut build = tonic_prost_build::configure();
    for field in long {
        build = build.bytes(field);
    }
    build.compile_fds(files)?;
    Ok(())
}
