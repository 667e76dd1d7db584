//! A run in a file: saved aside and renamed, resumed with the same bits.
//!
//! ```text
//! "blo run\n"  version u32  scalar width u8  lengths of u and w  settings  outcome  state of the loop
//! u, w and their optimizers' buffers  w₀  the best so far  the batches' random state, order and position  the last q
//! the state of L-BFGS-B, if it is used  FNV-1a of all before
//! ```
//!
//! Little-endian on every machine; numbers are stored as `f64`, which is exact for both scalar types.

use super::encode::{Encode, Reader, checksum, get_vector, put_vector};
use super::runner::{Best, Runner};
use super::sampler::Sampler;
use super::settings::Settings;
use crate::optimize::State;
use crate::problem::Problem;
use crate::random::Random;
use crate::solve::Space;
use crate::{Error, Result, Scalar};
use std::fs::{self, File};
use std::io::Write;
use std::ops::Deref;
use std::path::Path;

const MAGIC: &[u8; 8] = b"blo run\n";
/// Raised when the form changes; files of another version are refused.
const VERSION: u32 = 2;

fn refused(path: &Path, reason: impl ToString) -> Error {
    Error::File { path: path.display().to_string(), reason: reason.to_string() }
}

/// Writes a vector of any space.
fn put_point<T: Scalar, S: Space<T>>(space: &S, x: &S::Vector, host: &mut Vec<T>, out: &mut Vec<u8>) -> Result<()> {
    host.resize(space.len(), T::ZERO);
    space.store(x, host)?;
    put_vector(host, out);
    Ok(())
}

fn get_point<T: Scalar, S: Space<T>>(
    space: &S,
    from: &mut Reader<'_>,
    host: &mut Vec<T>,
    x: &mut S::Vector,
) -> Result<Option<()>> {
    host.resize(space.len(), T::ZERO);
    if get_vector(from, host).is_none() {
        return Ok(None);
    }
    space.load(host, x)?;
    Ok(Some(()))
}

fn put_state<T: Scalar, S: Space<T>>(
    space: &S,
    state: &State<S::Vector>,
    host: &mut Vec<T>,
    out: &mut Vec<u8>,
) -> Result<()> {
    state.steps().put(out);
    put_point(space, &state.x, host, out)?;
    for buffer in state.buffers() {
        put_point(space, buffer, host, out)?;
    }
    Ok(())
}

fn get_state<T: Scalar, S: Space<T>>(
    space: &S,
    from: &mut Reader<'_>,
    host: &mut Vec<T>,
    state: &mut State<S::Vector>,
) -> Result<Option<()>> {
    let Some(steps) = u64::get(from) else { return Ok(None) };
    state.set_steps(steps);
    if get_point(space, from, host, &mut state.x)?.is_none() {
        return Ok(None);
    }
    for buffer in state.buffers_mut() {
        if get_point(space, from, host, buffer)?.is_none() {
            return Ok(None);
        }
    }
    Ok(Some(()))
}

fn put_sampler(sampler: &Sampler, out: &mut Vec<u8>) {
    sampler.random.state().iter().for_each(|word| word.put(out));
    sampler.order.iter().for_each(|example| example.put(out));
    sampler.position.put(out);
}

/// `None` also for what is no state of a sampler.
fn get_sampler(from: &mut Reader<'_>, sampler: &mut Sampler) -> Option<()> {
    let mut state = [0; 4];
    for word in &mut state {
        *word = u64::get(from)?;
    }
    sampler.random = Random::from_state(state)?;
    let examples = sampler.order.len();
    let mut seen = vec![false; examples];
    for example in &mut sampler.order {
        *example = usize::get(from)?;
        if std::mem::replace(seen.get_mut(*example)?, true) {
            return None;
        }
    }
    sampler.position = usize::get(from)?;
    (sampler.position <= examples).then_some(())
}

impl<T: Scalar, R: Deref<Target: Problem<T>>> Runner<T, R> {
    /// Saves the whole run: u, w, the optimizers' buffers, the step, the best so far, the q that the
    /// next solve starts from, and the settings. The problem itself is
    /// not saved. The file is written aside, flushed and renamed, so that a crash leaves the old one or the new one.
    ///
    /// # Errors
    ///
    /// [`Error::File`] with the path and the system's reason.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let bytes = self.to_bytes()?;
        let mut aside = path.as_os_str().to_owned();
        aside.push(".tmp");
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&aside)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&aside, path)
        };
        write().map_err(|error| refused(path, error))
    }

    fn to_bytes(&self) -> Result<Vec<u8>> {
        let (outer, points) = (self.problem.outer_space(), self.problem.inner_space());
        let (mut out, mut host) = (MAGIC.to_vec(), Vec::new());
        VERSION.put(&mut out);
        (size_of::<T>() as u8).put(&mut out);
        (outer.len(), points.len()).put(&mut out);
        self.settings.put(&mut out);
        self.outcome.put(&mut out);
        self.solved.put(&mut out);
        self.largest_inner.put(&mut out);
        self.first_outer.put(&mut out);
        put_state(outer, &self.u, &mut host, &mut out)?;
        put_state(points, &self.w, &mut host, &mut out)?;
        put_point(points, &self.start, &mut host, &mut out)?;
        self.best.as_ref().map(|best| (best.outer_loss, best.step)).put(&mut out);
        if let Some(best) = &self.best {
            put_point(outer, &best.u, &mut host, &mut out)?;
            put_point(points, &best.w, &mut host, &mut out)?;
        }
        if let Some(sampler) = &self.sampler {
            put_sampler(sampler, &mut out);
        }
        self.workspace.last_q().is_some().put(&mut out);
        if let Some(last) = self.workspace.last_q() {
            put_point(points, last, &mut host, &mut out)?;
        }
        if let Some(search) = &self.search {
            search.method.progress.put(&mut out);
            search.method.pairs().put(&mut out);
            search.method.vectors().for_each(|values| put_vector(values, &mut out));
            put_vector(search.method.trial(), &mut out);
        }
        let sum = checksum(&out);
        sum.put(&mut out);
        Ok(out)
    }

    /// Goes on with a run that [`Runner::save`] wrote. `problem` must be the problem of that run; its sizes are checked, its
    /// data are not. On the same build and machine the run continues with the same bits.
    ///
    /// # Errors
    ///
    /// [`Error::File`] for a file that cannot be read, is torn or changed, is no saved run, is of another version or scalar
    /// type, or belongs to a problem of other sizes.
    pub fn resume(problem: R, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|error| refused(path, error))?;
        let Some(rest) = bytes.strip_prefix(MAGIC) else {
            return Err(refused(path, "found another kind of file, expected a saved run"));
        };
        match rest.first_chunk().map(|bytes| u32::from_le_bytes(*bytes)) {
            Some(VERSION) => {}
            Some(version) if version > VERSION => {
                return Err(refused(
                    path,
                    format!("found version {version}, expected {VERSION}: saved by a newer blo"),
                ));
            }
            Some(version) => return Err(refused(path, format!("found version {version}, expected {VERSION}"))),
            None => return Err(refused(path, "found a torn file, expected a whole one")),
        }
        let sum = rest
            .split_last_chunk()
            .filter(|(body, sum)| checksum(&bytes[..MAGIC.len() + body.len()]) == u64::from_le_bytes(**sum));
        let Some((body, _)) = sum else {
            return Err(refused(path, "found a checksum that does not fit, expected a whole and unchanged file"));
        };
        let malformed = || refused(path, "found contents that this version does not write");
        let mut from = Reader::new(body.get(size_of::<u32>()..).unwrap_or_default());
        let (width, lengths): (u8, (usize, usize)) = Encode::get(&mut from).ok_or_else(malformed)?;
        if usize::from(width) != size_of::<T>() {
            return Err(refused(path, format!("found {width}-byte scalars, expected {}-byte ones", size_of::<T>())));
        }
        let expected = (problem.outer_space().len(), problem.inner_space().len());
        if lengths != expected {
            let (u, w) = lengths;
            let reason = format!("found u of {u} and w of {w} elements, expected {} and {}", expected.0, expected.1);
            return Err(refused(path, reason));
        }
        let settings: Settings = Encode::get(&mut from).ok_or_else(malformed)?;
        let mut runner = Runner::at_zero(problem, settings)?;
        runner.fill(&mut from)?.ok_or_else(malformed)?;
        if from.is_empty() { Ok(runner) } else { Err(malformed()) }
    }

    fn fill(&mut self, from: &mut Reader<'_>) -> Result<Option<()>> {
        let (outer, points) = (self.problem.outer_space(), self.problem.inner_space());
        let mut host = Vec::new();
        let mut scalars = || {
            self.outcome = Encode::get(from)?;
            self.solved = Encode::get(from)?;
            self.largest_inner = Encode::get(from)?;
            self.first_outer = Encode::get(from)?;
            Some(())
        };
        if scalars().is_none()
            || get_state(outer, from, &mut host, &mut self.u)?.is_none()
            || get_state(points, from, &mut host, &mut self.w)?.is_none()
            || get_point(points, from, &mut host, &mut self.start)?.is_none()
        {
            return Ok(None);
        }
        let Some(best) = Option::<(f64, usize)>::get(from) else { return Ok(None) };
        if let Some((outer_loss, step)) = best {
            let mut best = Best { outer_loss, step, u: outer.zeros(), w: points.zeros() };
            if get_point(outer, from, &mut host, &mut best.u)?.is_none()
                || get_point(points, from, &mut host, &mut best.w)?.is_none()
            {
                return Ok(None);
            }
            self.best = Some(best);
        }
        if let Some(sampler) = &mut self.sampler
            && get_sampler(from, sampler).is_none()
        {
            return Ok(None);
        }
        let Some(has_last_q) = bool::get(from) else { return Ok(None) };
        if has_last_q {
            let mut last = points.zeros();
            if get_point(points, from, &mut host, &mut last)?.is_none() {
                return Ok(None);
            }
            self.workspace.set_last_q(Some(last));
        }
        self.begin_search()?;
        Ok(self.search.as_mut().map_or(Some(()), |search| {
            let method = &mut search.method;
            method.progress = Encode::get(from)?;
            method.set_pairs(Encode::get(from)?)?;
            for values in method.vectors_mut() {
                get_vector(from, values)?;
            }
            get_vector(from, method.trial_mut())
        }))
    }
}
