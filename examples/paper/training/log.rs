//! What a run has to remember for its rows and pictures, in a file beside its saved state.
//!
//! Text: a line that says which run it is, then `STEP KIND VALUE…` for each entry. Decimal numbers of Rust are read back with
//! the same bits.

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Numbers of some kind at some step.
struct Entry {
    step: usize,
    kind: String,
    values: Vec<f64>,
}

/// The history of a run.
pub struct Log {
    entries: Vec<Entry>,
    file: Option<File>,
    /// The entries that the file has.
    written: usize,
}

impl Log {
    /// An empty history, in a new file if there is a path. `title` says which run it is.
    pub fn new(path: Option<&Path>, title: &str) -> Result<Log, Box<dyn Error>> {
        let mut log = Log { entries: Vec::new(), file: None, written: 0 };
        if let Some(path) = path {
            log.rewrite(path, title).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        }
        Ok(log)
    }

    /// The history of a run that goes on at `step`: what the file has of the steps before it.
    pub fn resume(path: &Path, title: &str, step: usize) -> Result<Log, Box<dyn Error>> {
        let text = fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let mut lines = text.lines();
        let found = lines.next().unwrap_or_default();
        if found != title {
            return Err(
                format!("{} belongs to another run: found `{found}`, expected `{title}`", path.display()).into()
            );
        }
        // The last line may be torn; its step is then one that the state has not reached, as all before it were flushed.
        let entries = lines.map_while(parse).take_while(|entry| entry.step < step).collect();
        let mut log = Log { entries, file: None, written: 0 };
        log.rewrite(path, title).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        Ok(log)
    }

    fn rewrite(&mut self, path: &Path, title: &str) -> Result<(), Box<dyn Error>> {
        let aside = PathBuf::from(format!("{}.tmp", path.display()));
        let mut file = File::create(&aside)?;
        writeln!(file, "{title}")?;
        self.file = Some(file);
        self.written = 0;
        self.flush()?;
        fs::rename(&aside, path)?;
        self.file = Some(OpenOptions::new().append(true).open(path)?);
        Ok(())
    }

    /// Adds an entry.
    pub fn keep(&mut self, step: usize, kind: &str, values: impl IntoIterator<Item = f64>) {
        self.entries.push(Entry { step, kind: kind.into(), values: values.into_iter().collect() });
    }

    /// The entries of a kind, in order.
    pub fn of<'a>(&'a self, kind: &'a str) -> impl DoubleEndedIterator<Item = (usize, &'a [f64])> {
        self.entries.iter().filter(move |entry| entry.kind == kind).map(|entry| (entry.step, entry.values.as_slice()))
    }

    /// Brings the file up to date.
    pub fn flush(&mut self) -> std::io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut text = String::new();
        for entry in &self.entries[self.written..] {
            text += &format!("{} {}", entry.step, entry.kind);
            entry.values.iter().for_each(|value| text += &format!(" {value:?}"));
            text += "\n";
        }
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
        self.written = self.entries.len();
        Ok(())
    }
}

fn parse(line: &str) -> Option<Entry> {
    let mut words = line.split(' ');
    let (step, kind) = (words.next()?.parse().ok()?, words.next()?.to_owned());
    let values = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
    Some(Entry { step, kind, values })
}
