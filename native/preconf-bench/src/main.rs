//! The network benchmarks with two plain Rust nodes in one process, over loopback, without the ABI: the baseline that the
//! .NET library is measured against. Each node has a runtime of its own, with as many threads as the library's nodes have, and
//! two workers that verify. One line of JSON per result.

mod host;
mod machine;
mod report;
mod scenarios;
mod store;
mod wire;

use std::process::ExitCode;

use preconf_p2p::Author;
use report::{Options, Transport};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["machine", only @ ..] => machine::print(only),
        ["net", scenario, options @ ..] => parse(scenario, options).and_then(|options| scenarios::run(&options)),
        _ => Err("see the usage".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("error: {text}");
            usage();
            ExitCode::FAILURE
        }
    }
}

fn usage() {
    eprintln!("usage: preconf-bench machine [{}]...", machine::FIGURES.join("|"));
    eprintln!(
        "       preconf-bench net SCENARIO [--transport tcp|quic] [--author identity|ed25519] [--count N] [--peer MULTIADDR]"
    );
    for (name, what) in scenarios::NAMES {
        eprintln!("  {name:20} {what}");
    }
}

fn parse(scenario: &str, options: &[&str]) -> Result<Options, String> {
    let mut parsed = Options {
        scenario: scenario.to_owned(),
        transport: Transport::Tcp,
        author: Author::Ed25519,
        count: None,
        peer: None,
    };
    for pair in options.chunks(2) {
        match pair {
            ["--transport", "tcp"] => parsed.transport = Transport::Tcp,
            ["--transport", "quic"] => parsed.transport = Transport::Quic,
            ["--author", "identity"] => parsed.author = Author::Identity,
            ["--author", "ed25519"] => parsed.author = Author::Ed25519,
            ["--count", number] => match number.parse() {
                Ok(count) if count > 0 => parsed.count = Some(count),
                _ => return Err(format!("--count: '{number}' is no count")),
            },
            ["--peer", address] => match address.parse() {
                Ok(address) => parsed.peer = Some(address),
                Err(error) => return Err(format!("--peer: '{address}' is no multiaddr: {error}")),
            },
            other => return Err(format!("unknown option {}", other.join(" "))),
        }
    }
    Ok(parsed)
}
