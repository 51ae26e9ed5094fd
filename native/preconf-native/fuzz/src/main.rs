//! Fuzz targets. `build/checks/fuzz.sh` builds them for libFuzzer, which looks for inputs that reach new code; each target says
//! what must hold for every input, and panics when it does not. Built as anything else they run on files:
//! `cargo run -p preconf-fuzz -- TARGET FILE...`, to see again what the fuzzer found. `seeds/TARGET` is where it begins; what once
//! failed is kept there, and every test run tries it.

#![cfg_attr(preconf_fuzz, no_main)]

mod frame;
mod gossip;
mod negotiation;
mod pieces;
mod record;
mod ring;
mod text;

/// A target: takes any bytes, panics when something does not hold.
type Target = fn(&[u8]);

/// Says that an input got to one of a target's ends: the seeds together get to all of them.
#[inline]
fn reached(end: &'static str) {
    #[cfg(not(preconf_fuzz))]
    REACHED.with_borrow_mut(|ends| ends.insert(end));
    #[cfg(preconf_fuzz)]
    let _ = end;
}

#[cfg(not(preconf_fuzz))]
thread_local! {
    static REACHED: std::cell::RefCell<std::collections::BTreeSet<&'static str>> = const {
        std::cell::RefCell::new(std::collections::BTreeSet::new())
    };
}

/// Each target with its name and its ends.
const TARGETS: &[(&str, Target, &[&str])] = &[
    ("frame", frame::run, frame::ENDS),
    ("gossip", gossip::run, gossip::ENDS),
    ("negotiation", negotiation::run, negotiation::ENDS),
    ("record", record::run, record::ENDS),
    ("ring", ring::run, ring::ENDS),
    ("text", text::run, text::ENDS),
];

fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(known, ..)| *known == name).map(|(_, run, _)| *run)
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
        let names: Vec<_> = TARGETS.iter().map(|(name, ..)| *name).collect();
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
        println!("{file}: holds: {:?}", REACHED.take());
    }
    std::process::ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::{Path, PathBuf},
    };

    use super::{REACHED, TARGETS};

    fn seeds() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds")
    }

    fn seeds_of(target: &str) -> impl Iterator<Item = Vec<u8>> {
        fs::read_dir(seeds().join(target)).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap())
    }

    #[test]
    fn each_target_has_a_folder_of_seeds() {
        let mut names: Vec<_> = fs::read_dir(seeds()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, TARGETS.iter().map(|(name, ..)| *name).collect::<Vec<_>>());
    }

    #[test]
    fn every_seed_holds_and_together_they_reach_every_end() {
        for (name, run, ends) in TARGETS {
            REACHED.take();
            seeds_of(name).for_each(|seed| run(&seed));
            assert_eq!(REACHED.take(), ends.iter().copied().collect(), "{name}");
        }
    }

    #[test]
    fn every_seed_holds_cut_short() {
        for (name, run, _) in TARGETS {
            for seed in seeds_of(name) {
                // At each byte of a small one.
                let step = seed.len() / 64 + 1;
                (0..seed.len()).step_by(step).for_each(|cut| run(&seed[..cut]));
            }
        }
    }
}
