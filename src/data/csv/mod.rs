//! Text files of columns: comma-separated values, as spreadsheets and competitions have them.
//!
//! A [`Frame`] is a file in memory. [`Columns`] say what is to be made of which column; fitted to the part that is learned from,
//! they are an [`Encoder`], which makes data sets of that part and of any other.
//!
//! ```
//! use formwork::data::csv::{Columns, Frame};
//! use formwork::prelude::*;
//!
//! let text = "age,city,plan,bought\n31,Rome,a,yes\n,Oslo,b,no\n47,\"Oslo\",a,no\n25,Rome,b,yes\n";
//! let frame = Frame::read("mine.csv", text.as_bytes())?; // or `Frame::open("mine.csv")?`
//!
//! let columns = Columns::new().numbers_or_mean(&["age"]).categories(&["city", "plan"]).class("bought");
//! let encoder = columns.fit(&frame)?;
//! let data: Dataset<Rank1<5>, Class<2>> = encoder.dataset(&frame)?;
//!
//! assert_eq!(encoder.features(), ["age", "city=Oslo", "city=Rome", "plan=a", "plan=b"]);
//! assert_eq!(encoder.classes(), ["no", "yes"]);
//! assert_eq!((data.input(0), data.target(0)), (&[31.0, 0.0, 1.0, 1.0, 0.0][..], &[1][..]));
//! # Ok::<(), Error>(())
//! ```

mod columns;
mod encoder;
mod frame;
mod row;

pub use columns::Columns;
pub use encoder::{Encoder, Unlabelled};
pub use frame::{Frame, Layout};
pub(super) use row::{Row, for_each_row};
