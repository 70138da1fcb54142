//! Columns of text become samples, or an error that names the line, the column and the field.

use formwork::data::csv::{Columns, Encoder, Frame, Layout};
use formwork::prelude::*;

const PASSENGERS: &str = "\
id,age,fare,port,survived
1,22,7.25,S,0
2,38,71.28,C,1
3,,8.05,S,0
4,26,NA,?,1
";

fn frame(text: &str) -> Frame {
    Frame::read("mine.csv", text.as_bytes()).unwrap()
}

fn message<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => panic!("this is an error"),
        Err(error) => error.to_string(),
    }
}

fn fitted(columns: Columns) -> Result<Encoder, Error> {
    columns.fit(&frame(PASSENGERS))
}

#[test]
fn missing_numbers_are_refused_or_filled() {
    let refused = message(fitted(Columns::new().numbers(&["age"])));
    assert_eq!(refused, "mine.csv, line 4: column `age`: expected a finite number, given nothing");
    let filled = fitted(Columns::new().numbers_or_mean(&["age"]).numbers_or(-1.0, &["fare"])).unwrap();
    let batch = filled.inputs::<2, f64>(&frame(PASSENGERS)).unwrap();
    assert_eq!(batch.inputs(), [22.0, 7.25, 38.0, 71.28, (22.0 + 38.0 + 26.0) / 3.0, 8.05, 26.0, -1.0]);
    // The mean is that of the file the columns were fitted to.
    assert_eq!(filled.inputs::<2, f64>(&frame("age,fare\n,1\n")).unwrap().inputs(), [86.0 / 3.0, 1.0]);
}

#[test]
fn missing_and_unknown_categories_are_refused_or_none() {
    let strict = fitted(Columns::new().categories(&["port"])).unwrap();
    assert_eq!(message(strict.inputs::<2, f32>(&frame(PASSENGERS))), "mine.csv, line 5: column `port`: expected `C` or `S`, given `?`");
    assert_eq!(message(strict.inputs::<2, f32>(&frame("port\nQ\n"))), "mine.csv, line 2: column `port`: expected `C` or `S`, given `Q`");
    let lenient = fitted(Columns::new().categories_or_none(&["port"])).unwrap();
    assert_eq!(lenient.inputs::<2, f32>(&frame("port\nQ\nC\n\"\"\"S\"\nS\n")).unwrap().inputs(), [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
}

#[test]
fn targets_are_classes_or_numbers() {
    let all = frame(PASSENGERS);
    let encoder = fitted(Columns::new().numbers(&["id"]).class("survived")).unwrap();
    let classes: Dataset<Rank1<1>, Class<2>> = encoder.dataset(&all).unwrap();
    assert_eq!(classes.all().targets(), [0, 1, 0, 1]);
    // Two classes are the numbers that `BceWithLogits` asks for.
    let numbers: Dataset<Rank1<1>, Values<Rank1<1>>> = encoder.dataset(&all).unwrap();
    assert_eq!(numbers.all().targets(), [0.0, 1.0, 0.0, 1.0]);
    let two = fitted(Columns::new().numbers(&["id"]).targets(&["survived", "id"])).unwrap();
    let numbers: Dataset<Rank1<1>, Values<Rank1<2>>> = two.dataset(&all).unwrap();
    assert_eq!(numbers.target(1), [1.0, 2.0]);
}

#[test]
fn what_the_type_says_is_counted() {
    let all = frame(PASSENGERS);
    let encoder = fitted(Columns::new().numbers(&["id"]).class("survived")).unwrap();
    assert_eq!(message(encoder.dataset::<2, Class<2>, f32>(&all)), "features: expected 2, given 1");
    assert_eq!(message(encoder.dataset::<1, Class<3>, f32>(&all)), "classes: expected 3, given 2");
    assert_eq!(message(encoder.dataset::<1, Values<Rank1<2>>, f32>(&all)), "targets of a sample: expected 2, given 1");
    let ids = fitted(Columns::new().numbers(&["survived"]).class("id")).unwrap();
    assert_eq!(message(ids.dataset::<1, Values<Rank1<1>>, f32>(&all)), "classes: expected 2, given 4");
    let none = fitted(Columns::new().numbers(&["id"])).unwrap();
    assert_eq!(message(none.dataset::<1, Class<2>, f32>(&all)), "targets of a sample: expected 1, given 0");
    let numbers = fitted(Columns::new().numbers(&["id"]).targets(&["id"])).unwrap();
    assert_eq!(message(numbers.dataset::<1, Class<4>, f32>(&all)), "mine.csv, line 5: column `id`: expected a class, given `4`");
}

#[test]
fn columns_are_found_by_name_and_then_by_number() {
    assert_eq!(
        message(fitted(Columns::new().numbers(&["height"]))),
        "mine.csv, line 1: expected a column `height`, given `id`, `age`, `fare`, `port`, `survived`"
    );
    assert_eq!(fitted(Columns::new().numbers(&["5"])).unwrap().features(), ["5"]);
    let twice = frame("a,a,2\n1,2,3\n");
    let error = message(Columns::new().numbers(&["a"]).fit(&twice));
    assert_eq!(error, "mine.csv, line 1: expected one column `a`, given several: a number from 1 says which");
    let by_number = Columns::new().numbers(&["1", "2"]).fit(&twice).unwrap();
    assert_eq!(by_number.inputs::<2, f32>(&twice).unwrap().inputs(), [1.0, 3.0]);
    let bare = Layout::new().without_header().read("mine.csv", "1,2\n".as_bytes()).unwrap();
    assert_eq!(message(Columns::new().numbers(&["x"]).fit(&bare)), "mine.csv, line 1: expected a column `x`, given 2 without names");
    assert_eq!(message(Columns::new().numbers(&["0"]).fit(&bare)), "mine.csv, line 1: expected a column `0`, given 2 without names");
}

#[test]
fn numbers_among_categories_are_in_their_own_order() {
    let months = Columns::new().categories(&["m"]).fit(&frame("m\n10\n9\n11\n9\n")).unwrap();
    assert_eq!(months.features(), ["m=9", "m=10", "m=11"]);
    let mixed = Columns::new().class("m").fit(&frame("m\n10\n9\nx\n")).unwrap();
    assert_eq!(mixed.classes(), ["10", "9", "x"]);
}

/// A byte order mark, ends of lines as Windows has them, and quoted fields of several lines.
#[test]
fn lines_are_counted_and_quotes_are_read() {
    let text = "\u{feff}note,x\r\n\"one\r\ntwo, \"\"three\"\"\",1\r\n\r\nfour,bad\r\n";
    let notes = frame(text);
    assert_eq!(notes.header(), ["note", "x"]);
    assert_eq!(notes.text(0, 0), "one\r\ntwo, \"three\"");
    assert_eq!(message(Columns::new().numbers(&["x"]).fit(&notes)), "mine.csv, line 5: column `x`: expected a finite number, given `bad`");
}

#[test]
fn other_separators() {
    let tabs = Layout::new().separator('\t').read("mine.tsv", "a\tb\n1,5\t2\n".as_bytes()).unwrap();
    assert_eq!((tabs.text(0, 0), tabs.columns()), ("1,5", 2));
    assert_eq!(message(Layout::new().separator('→').read("mine.csv", "".as_bytes())), "separator: expected a character of ASCII, given 8594");
    assert!(message(Frame::open("no/such.csv")).starts_with("no/such.csv: cannot read: "));
}
