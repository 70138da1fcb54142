//! Filters on images that are too small for them, and with numbers that make no filter: errors, never a panic.

use formwork::filters::{Border, Image, gaussian, laplace, mean, median, sobel_x};
use formwork::prelude::*;
use proptest::prelude::*;

fn message<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => panic!("this is an error"),
        Err(error) => error.to_string(),
    }
}

fn image(height: usize, width: usize) -> Image<f64> {
    Image::new(height, width, (0..height * width).map(|i| i as f64).collect()).unwrap()
}

#[test]
fn images_of_another_size() {
    assert_eq!(message(Image::new(3, 4, vec![0.0; 13])), "pixels of an image: expected 12, given 13");
    assert_eq!(message(Image::<f32>::new(0, 0, vec![])), "rows of an image: expected 1, given 0");
    assert_eq!(message(Image::new(4, 0, vec![0.0; 1])), "columns of an image: expected 1, given 0");
    assert!(Image::new(usize::MAX, 2, vec![0.0]).is_err());
}

#[test]
fn kernels_without_a_middle() {
    assert_eq!(message(mean(&image(5, 5), 4, Border::Nearest)), "mean: expected a kernel of an odd size up to 4095, given 4");
    assert_eq!(message(median(&image(5, 5), 0, Border::Nearest)), "median: expected a kernel of an odd size up to 4095, given 0");
    assert!(mean(&image(5, 5), usize::MAX, Border::Nearest).is_err());
}

#[test]
fn bells_that_are_none() {
    let blurred = |sigma, truncate| message(gaussian(&image(5, 5), sigma, truncate, Border::Nearest));
    assert_eq!(blurred(0.0, 4.0), "gaussian: expected a finite sigma above 0, given 0");
    assert_eq!(blurred(f64::NAN, 4.0), "gaussian: expected a finite sigma above 0, given NaN");
    assert_eq!(blurred(1.0, -1.0), "gaussian: expected a finite truncate of at least 0, given -1");
    assert_eq!(blurred(1e300, 1e300), format!("gaussian: expected a kernel of an odd size up to 4095, given {}", usize::MAX));
}

#[test]
fn kernels_that_reach_too_far() {
    let expected = "mean: expected a kernel that reaches at most 3 pixels beyond an image of 3x8 with border Reflect, given 4";
    assert_eq!(message(mean(&image(3, 8), 9, Border::Reflect)), expected);
    let expected = "median: expected a kernel that reaches at most 2 pixels beyond an image of 8x3 with border Mirror, given 3";
    assert_eq!(message(median(&image(8, 3), 7, Border::Mirror)), expected);
    assert!(laplace(&image(1, 1), Border::Mirror).is_err());
    assert_eq!(sobel_x(&image(1, 1), Border::Reflect).unwrap().pixels(), [0.0]);
    // These borders are as wide as one likes.
    let spot = Image::new(1, 1, vec![2.0]).unwrap();
    assert_eq!(mean(&spot, 9, Border::Nearest).unwrap().pixel(0, 0).map(f64::round), Some(2.0));
    assert_eq!(median(&spot, 9, Border::Constant(5.0)).unwrap().pixels(), [5.0]);
}

fn border() -> impl Strategy<Value = Border> {
    prop_oneof![any::<f64>().prop_map(Border::Constant), Just(Border::Nearest), Just(Border::Reflect), Just(Border::Mirror)]
}

proptest! {
    #[test]
    fn nothing_panics(
        (height, width) in (1..6usize, 1..6usize),
        border in border(),
        size in prop_oneof![0..16usize, any::<usize>()],
        (sigma, truncate) in (prop_oneof![0.0..4.0, any::<f64>()], prop_oneof![0.0..4.0, any::<f64>()]),
    ) {
        // A median is slow with a large kernel, and not otherwise.
        let size = if size > 99 && size <= 4095 { 99 } else { size };
        let image = image(height, width);
        let filtered = [mean(&image, size, border), median(&image, size, border), gaussian(&image, sigma, truncate, border)];
        for filtered in filtered.into_iter().flatten() {
            prop_assert_eq!((filtered.height(), filtered.width()), (height, width));
        }
    }

    /// A filter whose weights sum to one leaves what is the same everywhere, and a derivative takes it away.
    #[test]
    fn constants_are_kept((height, width) in (4..9usize, 4..9usize), grey in -9.0..9.0, sigma in 0.1..1.0) {
        let flat = Image::new(height, width, vec![grey; height * width]).unwrap();
        for border in [Border::Constant(grey), Border::Nearest, Border::Reflect, Border::Mirror] {
            for kept in [mean(&flat, 3, border), median(&flat, 5, border), gaussian(&flat, sigma, 3.0, border)] {
                prop_assert!(kept.unwrap().pixels().iter().all(|x| (x - grey).abs() < 1e-12));
            }
            for gone in [laplace(&flat, border), sobel_x(&flat, border)] {
                prop_assert!(gone.unwrap().pixels().iter().all(|x| x.abs() < 1e-12));
            }
        }
    }
}
