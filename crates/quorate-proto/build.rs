//! Compiles `proto/` with protox, so that no protoc needs to be installed, and lists what it says, for `tests/frozen.rs`.

use protox::prost_reflect::prost_types::FileDescriptorSet;
use protox::prost_reflect::{DescriptorPool, EnumValueDescriptor, FieldDescriptor, Kind, MethodDescriptor};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let files = protox::compile(["quorate/log/v1/log.proto", "quorate/peer/v1/peer.proto"], [&root])?;
    let list = std::path::Path::new(&std::env::var("OUT_DIR")?).join("contract.txt");
    std::fs::write(list, contract(files.clone())?.join("\n"))?;
    // What is long is shared with the message that it came in.
    let long = ["payload", "log", "batch", "envelopes", "entries", "chunk"];
    let mut build = tonic_prost_build::configure().codec_path("crate::codec::PeerCodec");
    for field in long {
        build = build.bytes(field);
    }
    build.compile_fds(files)?;
    Ok(())
}

/// A line for each field, each value of an enum and each call: all of it that stands on a disk or goes over a wire.
fn contract(files: FileDescriptorSet) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let pool = DescriptorPool::from_file_descriptor_set(files)?;
    let field = |field: FieldDescriptor| {
        let oneof = field.containing_oneof().map(|oneof| format!(" of {}", oneof.name())).unwrap_or_default();
        let kind = match field.kind() {
            Kind::Message(message) => message.full_name().to_owned(),
            Kind::Enum(of) => of.full_name().to_owned(),
            scalar => format!("{scalar:?}"),
        };
        let how = format!("{:?}", field.cardinality()).to_lowercase();
        format!("{} = {}: {how} {kind}{oneof}", field.full_name(), field.number())
    };
    let fields = pool.all_messages().flat_map(|message| message.fields().map(field).collect::<Vec<_>>());
    let values = pool.all_enums().flat_map(|of| {
        let value =
            |value: EnumValueDescriptor| format!("{}.{} = {}", of.full_name(), value.name(), value.number());
        of.values().map(value).collect::<Vec<_>>()
    });
    let calls = pool.services().flat_map(|service| {
        let stream = |is: bool| if is { "stream " } else { "" };
        let call = |call: MethodDescriptor| {
            let (takes, gives) = (stream(call.is_client_streaming()), stream(call.is_server_streaming()));
            let (input, output) = (call.input(), call.output());
            format!("{}: {takes}{} -> {gives}{}", call.full_name(), input.full_name(), output.full_name())
        };
        service.methods().map(call).collect::<Vec<_>>()
    });
    Ok(fields.chain(values).chain(calls).collect())
}
