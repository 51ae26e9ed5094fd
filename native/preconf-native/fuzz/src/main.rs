//! Fuzz targets. `build/checks/fuzz.sh` builds them for libFuzzer, which looks for inputs that reach new code; each target says
//! what must hold for every input, and panics when it does not. Built as anything else they run on files:
//! `cargo run -p preconf-fuzz -- TARGET FILE...`, to see again what the fuzzer found. `seeds/TARGET` is where it begins; what once
//! failed is kept there, and every test run tries it.

#![cfg_attr(preconf_fuzz, no_main)]

mod frame;
mod gossip;
mod negotiation;
mod record;
mod ring;
mod text;

/// A target: takes any bytes, panics when something does not hold.
type Target = fn(&[u8]);

const TARGETS: &[(&str, Target)] = &[
    ("frame", frame::run),
    ("gossip", gossip::run),
    ("negotiation", negotiation::run),
    ("record", record::run),
    ("ring", ring::run),
    ("text", text::run),
];

fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, run)| *run)
}

#[cfg(preconf_fuzz)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // One program for all targets, or each would be linked anew. libFuzzer's own arguments leave the environment.
    static CHOSEN: std::sync::OnceLock<Target> = std::sync::OnceLock::new();
    CHOSEN.get_or_init(|| {
        let name = std::env::var("PRECONF_FUZZ_TARGET").expect("PRECONF_FUZZ_TARGET names the target");
        target(&name).unwrap_or_else(|| panic!("there is no target {name:?}"))
    })(data);
});

#[cfg(not(preconf_fuzz))]
fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let chosen = arguments.split_first().and_then(|(name, files)| target(name).map(|run| (run, files)));
    let Some((run, files)) = chosen.filter(|(_, files)| !files.is_empty()) else {
        let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
        eprintln!("usage: preconf-fuzz {} FILE...", names.join("|"));
        return std::process::ExitCode::FAILURE;
    };
    for file in files {
        match std::fs::read(file) {
            Ok(data) => run(&data),
            Err(error) => {
                eprintln!("error: {file}: {error}");
                return std::process::ExitCode::FAILURE;
            }
        }
        println!("{file}: holds");
    }
    std::process::ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::TARGETS;

    #[test]
    fn every_seed_holds_also_cut_short() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
        let mut names: Vec<_> = fs::read_dir(&seeds).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "a folder for each target");
        for (name, run) in TARGETS {
            let mut files = 0;
            for entry in fs::read_dir(seeds.join(name)).unwrap() {
                let data = fs::read(entry.unwrap().path()).unwrap();
                (0..=data.len()).for_each(|cut| run(&data[..cut]));
                files += 1;
            }
            assert!(files > 0, "{name} has no seed");
        }
    }
}
