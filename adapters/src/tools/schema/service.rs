//! A cache of compiled schemas, bounded in bytes; compilation and validation run on a few threads of their own.

use std::sync::Arc;
use std::time::Duration;

use domain::json::{MAX_NESTING, nesting};
use domain::ports::tools::{MAX_ARGUMENTS, SchemaFault};
use domain::tool::MAX_PARAMETERS;
use lru::LruCache;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::check::Misfit;
use super::rules::Schema;

/// The most bytes of compiled schemas in the cache.
const KEPT_BYTES: usize = 16 << 20;
/// The most schemas compiled or used at once, each on a thread.
const AT_ONCE: usize = 2;
/// How long to wait for a free thread. A validation takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// Compiled schemas, cached by their text.
#[derive(Debug, Clone)]
pub(in crate::tools) struct Schemas {
    kept: Arc<Mutex<Kept>>,
    turns: Arc<Semaphore>,
}

#[derive(Debug)]
struct Kept {
    schemas: LruCache<String, Arc<Schema>>,
    bytes: usize,
}

impl Default for Schemas {
    fn default() -> Self {
        let kept = Kept { schemas: LruCache::unbounded(), bytes: 0 };
        Self { kept: Arc::new(Mutex::new(kept)), turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

/// A writer of JSON that stops at a size limit.
struct Limited(Vec<u8>);

impl std::io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_PARAMETERS {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn text(schema: &Value) -> Result<String, SchemaFault> {
    let too_long = || SchemaFault::Invalid(format!("it is longer than {} KiB", MAX_PARAMETERS >> 10));
    let mut text = Limited(vec![]);
    serde_json::to_writer(&mut text, schema).map_err(|_| too_long())?;
    if nesting(&text.0) > MAX_NESTING {
        return Err(SchemaFault::Invalid(format!("it nests deeper than {MAX_NESTING}")));
    }
    String::from_utf8(text.0).map_err(|_| too_long())
}

impl Schemas {
    /// Checks that this is a usable schema; fetches nothing it refers to. Fails with what is wrong with it, or when
    /// no thread became free in time.
    pub(in crate::tools) async fn check_schema(&self, schema: &Value) -> Result<(), SchemaFault> {
        let text = text(schema)?;
        let (schemas, schema) = (self.clone(), schema.clone());
        self.in_turn(move || schemas.compiled(text, &schema).map(drop)).await?
    }

    /// Parses and validates the arguments of a tool. The error is a text that the model understands.
    pub(in crate::tools) async fn arguments(&self, schema: &Value, arguments: &str) -> Result<Value, String> {
        if arguments.len() > MAX_ARGUMENTS {
            return Err(format!("the arguments are longer than {} KiB", MAX_ARGUMENTS >> 10));
        }
        if nesting(arguments.as_bytes()) > MAX_NESTING {
            return Err(format!("the arguments nest deeper than {MAX_NESTING}"));
        }
        let unusable = |fault: SchemaFault| format!("the tool cannot be used: its schema: {fault}");
        let text = text(schema).map_err(unusable)?;
        let (schemas, schema, arguments) = (self.clone(), schema.clone(), arguments.to_owned());
        let told = self.in_turn(move || {
            let schema = schemas.compiled(text, &schema).map_err(unusable)?;
            fitting(&schema, &arguments)
        });
        told.await.map_err(unusable)?
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, SchemaFault> {
        let turn = tokio::time::timeout(PATIENCE, self.turns.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(SchemaFault::Busy) };
        let work = spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        work.await.map_err(|_| SchemaFault::Busy)
    }

    /// Returns the compiled schema. Holds the lock to look up and to insert, never to compile.
    fn compiled(&self, text: String, schema: &Value) -> Result<Arc<Schema>, SchemaFault> {
        let lock = || self.kept.lock();
        if let Some(known) = lock().schemas.get(&text) {
            return Ok(known.clone());
        }
        let compiled = Arc::new(Schema::compile(schema).map_err(SchemaFault::Invalid)?);
        let mut kept = lock();
        kept.bytes += weight(&text, &compiled);
        if let Some((text, old)) = kept.schemas.push(text, compiled.clone()) {
            kept.bytes -= weight(&text, &old);
        }
        while kept.bytes > KEPT_BYTES {
            let Some((text, old)) = kept.schemas.pop_lru() else { break };
            kept.bytes -= weight(&text, &old);
        }
        Ok(compiled)
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> (usize, usize) {
        let kept = self.kept.lock();
        (kept.schemas.len(), kept.bytes)
    }
}

fn weight(text: &str, schema: &Schema) -> usize {
    text.len() + schema.bytes
}

fn fitting(schema: &Schema, arguments: &str) -> Result<Value, String> {
    let arguments: Value = serde_json::from_str(arguments)
        .map_err(|error| format!("the arguments are not JSON ({error}): call again with valid JSON"))?;
    if !arguments.is_object() {
        return Err("the arguments are not an object".to_owned());
    }
    match schema.check(&arguments) {
        Ok(()) => Ok(arguments),
        Err(Misfit::Faults(faults)) => {
            Err(format!("the arguments do not fit the schema: {}", faults.join("; ")))
        }
        Err(Misfit::Exhausted) => {
            Err("the arguments are too much to check against the tool's schema: call again with less"
                .to_owned())
        }
    }
}
