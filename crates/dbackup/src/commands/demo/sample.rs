//! The sample database: a small shop, the same at every run.

use std::path::Path;

use rusqlite::{Connection, Transaction, params};

const CUSTOMERS: i64 = 20_000;
const PRODUCTS: i64 = 2_000;
const ORDERS: i64 = 120_000;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE, city TEXT NOT NULL, since TEXT NOT NULL);
    CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price_cents INTEGER NOT NULL, description TEXT NOT NULL);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers, placed_at TEXT NOT NULL, reference BLOB NOT NULL);
    CREATE TABLE order_items (order_id INTEGER NOT NULL REFERENCES orders, product_id INTEGER NOT NULL REFERENCES products,
                              quantity INTEGER NOT NULL, price_cents INTEGER NOT NULL, PRIMARY KEY (order_id, product_id)) WITHOUT ROWID;
    CREATE INDEX orders_by_customer ON orders (customer_id, placed_at);
";

const FIRST_NAMES: [&str; 12] =
    ["Ada", "Björn", "Chiara", "Dmitri", "Elif", "François", "Grace", "Hiro", "Inês", "Jürg", "Łucja", "Zoë"];
const LAST_NAMES: [&str; 10] =
    ["Almeida", "Bianchi", "Çelik", "Dubois", "Eriksson", "Fischer", "Grünwald", "Haddad", "Kowalska", "O'Neill"];
const CITIES: [&str; 8] = ["Bern", "Zürich", "Lisboa", "Oslo", "Kraków", "東京", "İzmir", "São Paulo"];
const ADJECTIVES: [&str; 8] =
    ["quiet", "folding", "woollen", "bright", "spare", "hand-made", "second-hand", "waterproof"];
const THINGS: [&str; 8] =
    ["lamp ☀", "chair", "blanket", "bicycle bell", "notebook", "kettle", "rucksack 🎒", "compass"];

/// Creates the database and gives its number of rows.
pub(super) fn create(path: &Path) -> rusqlite::Result<i64> {
    let mut connection = Connection::open(path)?;
    connection.execute_batch(SCHEMA)?;
    let mut dice = Dice(0x5EED);
    let transaction = connection.transaction()?;
    let items = fill(&transaction, &mut dice)?;
    transaction.commit()?;
    Ok(CUSTOMERS + PRODUCTS + ORDERS + items)
}

fn fill(transaction: &Transaction<'_>, dice: &mut Dice) -> rusqlite::Result<i64> {
    let mut customer = transaction.prepare("INSERT INTO customers VALUES (?, ?, ?, ?, ?)")?;
    for id in 1..=CUSTOMERS {
        let (first, last) = (dice.pick(&FIRST_NAMES), dice.pick(&LAST_NAMES));
        let email = format!("{}.{id}@example.com", first.to_lowercase());
        customer.execute(params![id, format!("{first} {last}"), email, dice.pick(&CITIES), dice.date()])?;
    }
    let mut product = transaction.prepare("INSERT INTO products VALUES (?, ?, ?, ?)")?;
    for id in 1..=PRODUCTS {
        let name = format!("{} {}", dice.pick(&ADJECTIVES), dice.pick(&THINGS));
        let description = (0..12).map(|_| dice.pick(&ADJECTIVES)).collect::<Vec<_>>().join(", ");
        product.execute(params![id, name, dice.below(50_000) + 100, description])?;
    }
    let mut order = transaction.prepare("INSERT INTO orders VALUES (?, ?, ?, ?)")?;
    let mut item = transaction.prepare("INSERT OR IGNORE INTO order_items VALUES (?, ?, ?, ?)")?;
    let mut items = 0;
    for id in 1..=ORDERS {
        let reference: Vec<u8> = (0..12).flat_map(|_| dice.next().to_le_bytes()).collect();
        order.execute(params![id, dice.below(CUSTOMERS) + 1, dice.date(), reference])?;
        for _ in 0..=dice.below(4) {
            items += item.execute(params![id, dice.below(PRODUCTS) + 1, dice.below(5) + 1, dice.below(50_000) + 100])?
                as i64;
        }
    }
    Ok(items)
}

/// Chance that is the same at every run (xorshift64*).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// From 0 to below `bound`, which is positive.
    fn below(&mut self, bound: i64) -> i64 {
        ((self.next() >> 11) % bound.unsigned_abs()).cast_signed()
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[usize::try_from(self.below(choices.len() as i64)).unwrap_or(0)]
    }

    fn date(&mut self) -> String {
        format!("{}-{:02}-{:02}", 2015 + self.below(10), self.below(12) + 1, self.below(28) + 1)
    }
}
