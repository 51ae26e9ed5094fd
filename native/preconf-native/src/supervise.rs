//! The task a node lives in: it runs the swarm and always says how it ended.

use std::{panic, panic::AssertUnwindSafe, sync::Arc};

use futures::FutureExt;
use preconf_p2p::Node;

use crate::{guard, life::Life, sink::Sink};

/// Sends the last events however the task ends: also when the runtime drops it half-way.
struct LastWords {
    sink: Sink,
    life: Arc<Life>,
    fault: Option<String>,
}

impl Drop for LastWords {
    fn drop(&mut self) {
        let fault = self.fault.take();
        if let Err(panic) = panic::catch_unwind(AssertUnwindSafe(|| self.sink.finish(fault))) {
            tracing::error!("the last events could not be sent: {}", guard::panic_text(panic.as_ref()));
        }
        self.life.set_ended();
    }
}

/// Runs a node to its end. Exactly one `Stopped` follows, after `Faulted` when it was no orderly end.
pub(crate) async fn supervise(node: Node, sink: Sink, life: Arc<Life>) {
    let cut_off = "the node did not come to rest in time and was cut off".to_owned();
    let mut last = LastWords { sink, life: Arc::clone(&life), fault: Some(cut_off) };
    let fault = tokio::select! {
        biased;
        text = life.faulted() => Some(text),
        ended = AssertUnwindSafe(node.run(&mut last.sink)).catch_unwind() => {
            ended.err().map(|panic| format!("the node's task died: {}", guard::panic_text(panic.as_ref())))
        }
    };
    last.fault = fault;
}
