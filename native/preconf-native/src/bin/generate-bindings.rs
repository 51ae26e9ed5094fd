//! Writes the C# declarations of the exports: `cargo run -p preconf-native --features bindings --bin generate-bindings`.
//! With `--check` nothing is written and a difference is an error.

use std::{env, error::Error, fs, path::Path, process::ExitCode};

const SOURCES: [&str; 6] =
    ["abi", "exports/node", "exports/events", "exports/commands", "exports/wire", "exports/crypto"];
const OUTPUT: &str = "../../src/Preconf.Native/Interop/NativeMethods.g.cs";

/// Enums that cross as plain integers inside events, so that no function names them.
const ALWAYS: [&str; 6] =
    ["PcnEventKind", "PcnPublishOutcome", "PcnRequestError", "PcnDialFailure", "PcnReachability", "PcnEvidence"];

fn generate(to: &Path) -> Result<String, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut builder = csbindgen::Builder::default()
        .csharp_namespace("Preconf.Native.Interop")
        .csharp_class_name("NativeMethods")
        .csharp_class_accessibility("internal")
        .csharp_dll_name("preconf_native")
        .csharp_use_function_pointer(false)
        .csharp_generate_const_filter(|name| name == "ABI_VERSION")
        .always_included_types(ALWAYS);
    for source in SOURCES {
        builder = builder.input_extern_file(root.join(source).with_extension("rs"));
    }
    builder.generate_csharp_file(to)?;
    let text = fs::read_to_string(to)?;
    fs::remove_file(to)?;
    Ok(tidy(&text))
}

/// No trailing blanks and no runs of empty lines, so that the file passes the repository's own checks.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty = true;
    for line in text.lines().map(str::trim_end) {
        if !(line.is_empty() && empty) {
            out.push_str(line);
            out.push('\n');
        }
        empty = line.is_empty();
    }
    out
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let output = Path::new(env!("CARGO_MANIFEST_DIR")).join(OUTPUT);
    let scratch = env::temp_dir().join(format!("preconf-native-{}.g.cs", std::process::id()));
    let text = generate(&scratch)?;
    if env::args().any(|arg| arg == "--check") {
        if fs::read_to_string(&output).is_ok_and(|old| old == text) {
            return Ok(ExitCode::SUCCESS);
        }
        eprintln!("{} is not what the exports say: run generate-bindings and commit it", output.display());
        return Ok(ExitCode::FAILURE);
    }
    if let Some(folder) = output.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(output, text)?;
    Ok(ExitCode::SUCCESS)
}
