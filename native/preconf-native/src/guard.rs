//! What stands around every export: nothing unwinds into the caller, and every failure has a status and a text.

use std::{
    any::Any,
    borrow::Cow,
    cell::{Cell, RefCell},
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    ptr,
    sync::{Arc, Once},
};

use preconf_p2p::SubmitError;

use crate::{
    abi::{PcnDetail, PcnStatus},
    log,
    node::Node,
    table,
};

/// A status other than Ok and the text that goes with it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: PcnStatus,
    pub(crate) text: Cow<'static, str>,
}

pub(crate) type Outcome = Result<(), Failure>;

impl Failure {
    pub(crate) fn new(status: PcnStatus, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status, text: text.into() }
    }

    pub(crate) fn argument(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(PcnStatus::InvalidArgument, text)
    }

    pub(crate) fn null(name: &str) -> Self {
        Self::new(PcnStatus::NullPointer, format!("{name} is null"))
    }

    pub(crate) fn handle(token: u64) -> Self {
        Self::new(PcnStatus::InvalidHandle, format!("node handle {token:#x} names no node: never started, or freed"))
    }

    /// What the node answered to something submitted.
    pub(crate) fn submit(error: SubmitError, what: &str) -> Self {
        let (status, advice) = match error {
            SubmitError::Full => (PcnStatus::QueueFull, "try again when earlier ones have ended"),
            SubmitError::Stopped => (PcnStatus::Stopped, "start a new node"),
            SubmitError::NotFound => (PcnStatus::NotFound, "it was answered, refused, timed out or cut"),
            SubmitError::TooLarge => (PcnStatus::InvalidArgument, "send less"),
        };
        Self::new(status, format!("{what}: {error}; {advice}"))
    }
}

impl From<PcnStatus> for Failure {
    fn from(status: PcnStatus) -> Self {
        Self::new(status, "")
    }
}

/// Runs an export's body; a panic becomes [`PcnStatus::Panic`].
#[inline]
pub(crate) fn run(detail: *mut PcnDetail, body: impl FnOnce() -> Outcome) -> PcnStatus {
    let outcome = caught(body).unwrap_or_else(|panic| Err(Failure::new(PcnStatus::Panic, panic)));
    finish(detail, outcome)
}

/// Runs the body of an export on a node; a panic poisons the node.
#[inline]
pub(crate) fn run_on(token: u64, detail: *mut PcnDetail, body: impl FnOnce(&Arc<Node>) -> Outcome) -> PcnStatus {
    let outcome = match table::nodes().get(token) {
        None => Err(Failure::handle(token)),
        Some(node) => caught(|| body(&node)).unwrap_or_else(|panic| {
            node.poison(&panic);
            Err(Failure::new(PcnStatus::Panic, panic))
        }),
    };
    finish(detail, outcome)
}

#[inline]
fn caught(body: impl FnOnce() -> Outcome) -> Result<Outcome, String> {
    let outer = INSIDE.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(body));
    INSIDE.set(outer);
    result.map_err(|payload| panic_text(payload.as_ref()))
}

#[inline]
fn finish(detail: *mut PcnDetail, outcome: Outcome) -> PcnStatus {
    match outcome {
        Ok(()) => PcnStatus::Ok,
        Err(failure) => {
            if !detail.is_null() {
                // SAFETY: not null, and writable by the caller's contract.
                unsafe { write_detail(detail, &failure) };
            }
            failure.status
        }
    }
}

#[cold]
unsafe fn write_detail(detail: *mut PcnDetail, failure: &Failure) {
    const ROOM: usize = 1016;
    let text = &failure.text[..failure.text.floor_char_boundary(ROOM)];
    // SAFETY: the caller's contract; the text fits the room that the struct declares.
    unsafe {
        ptr::addr_of_mut!((*detail).code).write_unaligned(failure.status as i32);
        ptr::addr_of_mut!((*detail).len).write_unaligned(text.len() as u32);
        ptr::copy_nonoverlapping(text.as_ptr(), ptr::addr_of_mut!((*detail).text).cast(), text.len());
    }
}

thread_local! {
    /// This thread runs an export's body.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    /// Where this thread panicked last, and with what.
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The text of a panic that this thread just caught, with its place when the hook saw it.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> String {
    LAST_PANIC.take().unwrap_or_else(|| message_of(payload).to_owned())
}

fn message_of(payload: &dyn Any) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a text")
}

/// Keeps the place of panics on threads of nodes and within exports, instead of printing it. All other threads keep
/// the hook they had.
pub(crate) fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if INSIDE.get() || log::on_node_thread() {
                record_panic(info);
            } else {
                previous(info);
            }
        }));
    });
}

fn record_panic(info: &PanicHookInfo<'_>) {
    let place = info.location().map(|at| format!(" at {}:{}", at.file(), at.line())).unwrap_or_default();
    let text = format!("panic{place}: {}", message_of(info.payload()));
    tracing::error!(target: "preconf_native", "{text}");
    let _ = LAST_PANIC.try_with(|last| last.replace(Some(text)));
}
