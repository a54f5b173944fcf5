//! What the benchmarks read: three answers of 0.8 KB as backends give them, and longer ones made
//! from a seed: a catalogue whose entries differ in their keys, kinds and lengths, so that no branch
//! predictor learns it by heart.

#![allow(dead_code)] // each benchmark takes what it needs

pub const USER: &[u8] = include_bytes!("user.json");
pub const ORDERS: &[u8] = include_bytes!("orders.json");
pub const RECOMMENDATIONS: &[u8] = include_bytes!("recommendations.json");

/// The three objects of a merge.
pub const THREE: [&[u8]; 3] = [USER, ORDERS, RECOMMENDATIONS];

const WORDS: &[&str] = &[
    "engine", "paper", "of", "the", "wheel", "and", "copper", "a", "light", "in", "garden",
    "steel", "for", "quiet", "river", "to", "brass", "window", "with", "thread",
];

/// Numbers that look random and are the same on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn words(&mut self, n_max: u64) -> String {
        let n = 1 + self.roll(n_max);
        let words: Vec<_> = (0..n).map(|_| WORDS[self.roll(WORDS.len() as u64) as usize]).collect();
        words.join(" ")
    }
}

/// One entry of the catalogue, 200 to 900 bytes.
fn entry(dice: &mut Dice, id: usize) -> String {
    let mut entry = format!("{{\"id\":{id},\"name\":\"{}\"", dice.words(4));
    if dice.roll(3) > 0 {
        entry += &format!(",\"price\":{}.{:02}", dice.roll(2000), dice.roll(100));
    }
    entry += &format!(",\"in_stock\":{}", dice.roll(2) == 0);
    if dice.roll(4) == 0 {
        entry += ",\"discontinued_at\":null";
    }
    entry += &format!(
        ",\"created_at\":\"2026-{:02}-{:02}T{:02}:11:09Z\"",
        1 + dice.roll(12),
        1 + dice.roll(28),
        dice.roll(24)
    );
    let tags: Vec<_> = (0..dice.roll(6)).map(|_| format!("\"{}\"", dice.words(1))).collect();
    entry += &format!(",\"tags\":[{}]", tags.join(","));
    if dice.roll(2) == 0 {
        let (lat, lon) = (dice.roll(180) as i64 - 90, dice.roll(360) as i64 - 180);
        let fraction = dice.roll(100_000);
        entry += &format!(
            ",\"store\":{{\"city\":\"{}\",\"geo\":{{\"lat\":{lat}.{fraction:05},\"lon\":{lon}.5}}}}",
            dice.words(1)
        );
    }
    match dice.roll(8) {
        0 => entry += ",\"note\":\"Größe und Öffnung geprüft — höhere Qualität\"",
        1 => entry += ",\"note\":\"first line\\nsaid \\\"twice\\\"\\tand a \\u20ac\"",
        _ => {}
    }
    let sizes: Vec<_> = (0..dice.roll(5)).map(|_| dice.roll(5000).to_string()).collect();
    entry += &format!(",\"sizes\":[{}],\"description\":\"{}\"", sizes.join(","), dice.words(60));
    entry + &format!(",\"url\":\"https://shop.example.org/items/{id}/{}\"}}", dice.words(1))
}

/// An object with a few members of its own, whose entries fill it up to about `len` bytes.
pub fn catalogue(len: usize) -> Vec<u8> {
    let mut dice = Dice(len as u64);
    let mut body = String::from("{\"page\":1,\"total\":4711,\"source\":\"catalogue\",\"items\":[");
    let mut id = 0;
    while body.len() < len {
        if id > 0 {
            body.push(',');
        }
        id += 1;
        body += &entry(&mut dice, id);
    }
    (body + "],\"next\":{\"page\":2,\"cursor\":\"b64:Zm9vYmFy\"},\"took_ms\":12.5}").into_bytes()
}

/// The same with indentation.
pub fn indented(body: &[u8]) -> Vec<u8> {
    let value: serde_json::Value = serde_json::from_slice(body).expect("the bodies are JSON");
    serde_json::to_vec_pretty(&value).expect("a tree can be written")
}
