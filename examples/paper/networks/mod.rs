//! Classifiers of the plane that learn from a few distilled points: data, the experiment with rings, pictures.

mod features;
mod picture;
mod plane;
mod rings;
mod rows;

pub use features::{Featured, Features};
pub use picture::{CLASSES, Snapshot, loss_panel};
pub use plane::Plane;
pub use rings::{Rings, run};
pub use rows::{ROW, accuracy, argmax, record, rows};
