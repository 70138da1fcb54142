//! Files that TensorBoard shows.

use crate::error::Error;
use prost::Message;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// A file of events: records of a length, a message, and checksums of both.
///
/// The format is that of TensorFlow's `TFRecord` files of `Event` messages.
pub(super) struct Events {
    path: PathBuf,
    file: File,
}

impl Events {
    /// A new file in a folder, which is made.
    pub fn create(folder: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(folder).map_err(Error::file(folder, "make it"))?;
        // TensorBoard reads the files of a folder in the order of their names.
        let path = folder.join(format!("events.out.tfevents.{:010}.{}.formwork", now() as u64, std::process::id()));
        let file = File::create(&path).map_err(Error::file(&path, "make it"))?;
        let mut events = Events { path, file };
        events.write(&Event { file_version: Some("brain.Event:2".to_owned()), ..Event::at(0) })?;
        Ok(events)
    }

    /// Writes the numbers of an epoch.
    pub fn epoch<'a>(&mut self, epoch: u64, numbers: impl Iterator<Item = (&'a String, &'a f64)>) -> Result<(), Error> {
        let values = numbers.map(|(tag, x)| Value { tag: tag.clone(), simple_value: *x as f32 }).collect();
        self.write(&Event { summary: Some(Summary { value: values }), ..Event::at(epoch) })
    }

    fn write(&mut self, event: &Event) -> Result<(), Error> {
        let message = event.encode_to_vec();
        let length = (message.len() as u64).to_le_bytes();
        let record = [&length[..], &masked(&length), &message, &masked(&message)].concat();
        self.file.write_all(&record).and_then(|()| self.file.flush()).map_err(Error::file(&self.path, "write it"))
    }
}

/// The checksum of a record, mixed so that it is not mistaken for data that holds checksums.
fn masked(bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

impl Event {
    fn at(step: u64) -> Self {
        Event { wall_time: now(), step: i64::try_from(step).unwrap_or(i64::MAX), file_version: None, summary: None }
    }
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, tag = "2")]
    simple_value: f32,
}
