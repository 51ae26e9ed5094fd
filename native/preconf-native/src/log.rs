//! Log lines of a node's own threads, kept until the node's task sends them as events. The host's code never runs on
//! a native thread, so nothing is called from here.

use std::{
    cell::RefCell,
    collections::VecDeque,
    fmt::{self, Write},
    mem,
    sync::{
        Arc, Mutex, Once, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span,
    subscriber::Interest,
};

/// Lines kept between two flushes; what comes on top is counted and dropped.
const QUEUE: usize = 512;

/// Bytes of one line; the rest is cut off.
const LINE: usize = 4096;

/// One line: its level (1 error to 5 trace), then target, newline, message.
pub(crate) struct Line {
    pub(crate) level: u8,
    pub(crate) text: Vec<u8>,
}

/// Where the lines of one node go.
pub(crate) struct Route {
    level: Arc<AtomicU8>,
    waiting: AtomicBool,
    queue: Mutex<VecDeque<Line>>,
    dropped: AtomicU64,
}

impl Route {
    /// A route that takes lines up to `level` (0 none, 1 error to 5 trace).
    pub(crate) fn new(level: u8) -> Arc<Self> {
        let level = Arc::new(AtomicU8::new(level));
        change_levels(|levels| levels.push(Arc::clone(&level)));
        Arc::new(Self {
            level,
            waiting: AtomicBool::new(false),
            queue: Mutex::new(VecDeque::new()),
            dropped: AtomicU64::new(0),
        })
    }

    pub(crate) fn set_level(&self, level: u8) {
        change_levels(|_| self.level.store(level, Ordering::Relaxed));
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(crate) fn add_dropped(&self, lines: u64) {
        self.dropped.fetch_add(lines, Ordering::Relaxed);
    }

    /// Moves the waiting lines to `to`. Cheap when there are none.
    pub(crate) fn take(&self, to: &mut VecDeque<Line>) {
        if self.waiting.load(Ordering::Relaxed) && self.waiting.swap(false, Ordering::Acquire) {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            if to.is_empty() {
                mem::swap(&mut *queue, to);
            } else {
                to.append(&mut queue);
            }
        }
    }

    fn push(&self, line: Line) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.len() == QUEUE {
            drop(queue);
            self.add_dropped(1);
            return;
        }
        queue.push_back(line);
        self.waiting.store(true, Ordering::Release);
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        change_levels(|levels| levels.retain(|level| !Arc::ptr_eq(level, &self.level)));
    }
}

/// The level of every route there is.
static LEVELS: Mutex<Vec<Arc<AtomicU8>>> = Mutex::new(Vec::new());

/// The most verbose of them: what is above it costs one comparison at its call site.
static MAX_LEVEL: AtomicU8 = AtomicU8::new(0);

fn change_levels(change: impl FnOnce(&mut Vec<Arc<AtomicU8>>)) {
    let mut levels = LEVELS.lock().unwrap_or_else(PoisonError::into_inner);
    change(&mut levels);
    let max = levels.iter().map(|level| level.load(Ordering::Relaxed)).max().unwrap_or(0);
    if MAX_LEVEL.swap(max, Ordering::Relaxed) != max {
        tracing::callsite::rebuild_interest_cache();
    }
}

thread_local! {
    static ROUTE: RefCell<Option<Arc<Route>>> = const { RefCell::new(None) };
}

/// From now on this thread's lines go to `route`; the route it had comes back.
pub(crate) fn enter(route: Option<Arc<Route>>) -> Option<Arc<Route>> {
    ROUTE.try_with(|current| current.replace(route)).ok().flatten()
}

/// Runs `body` with this thread's lines going to `route`.
pub(crate) fn within<R>(route: &Arc<Route>, body: impl FnOnce() -> R) -> R {
    struct Restore(Option<Arc<Route>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            enter(self.0.take());
        }
    }
    let _restore = Restore(enter(Some(Arc::clone(route))));
    body()
}

/// Whether this thread belongs to a node, or works for one just now.
pub(crate) fn on_node_thread() -> bool {
    ROUTE.try_with(|route| route.try_borrow().is_ok_and(|route| route.is_some())).unwrap_or(false)
}

fn with_route<R>(body: impl FnOnce(&Route) -> R) -> Option<R> {
    ROUTE.try_with(|route| route.try_borrow().ok()?.as_deref().map(body)).ok().flatten()
}

/// Makes the collector the process' own, once. A program that links this crate and has its own keeps it.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = tracing::subscriber::set_global_default(Collector);
    });
}

/// Takes events of node threads, no spans.
struct Collector;

impl Subscriber for Collector {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.is_event() { Interest::sometimes() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && with_route(|route| number_of(metadata.level()) <= route.level.load(Ordering::Relaxed)).unwrap_or(false)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match MAX_LEVEL.load(Ordering::Relaxed) {
            0 => LevelFilter::OFF,
            1 => LevelFilter::ERROR,
            2 => LevelFilter::WARN,
            3 => LevelFilter::INFO,
            4 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        })
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        with_route(|route| {
            let mut line = Text(String::with_capacity(128));
            let _ = line.write_str(event.metadata().target());
            let _ = line.write_str("\n");
            event.record(&mut line);
            route.push(Line { level: number_of(event.metadata().level()), text: line.0.into_bytes() });
        });
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

fn number_of(level: &Level) -> u8 {
    match *level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

/// A line in the making: the message, then ` name=value` for each other field.
struct Text(String);

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LINE - self.0.len().min(LINE);
        self.0.push_str(&text[..text.floor_char_boundary(room)]);
        Ok(())
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self, "{value:?}"),
            name => write!(self, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = match field.name() {
            "message" => self.write_str(value),
            name => write!(self, " {name}={value}"),
        };
    }
}
