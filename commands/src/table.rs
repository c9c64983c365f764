//! Typed records in the store, each with the version of its schema.

use crate::act::Permit;
use crate::store::{Batch, Read, Record};
use anyhow::{Context, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cmp::Ordering;
use std::marker::PhantomData;

/// The records of one type, under a prefix of their own.
pub struct Table<T> {
    prefix: &'static str,
    schema: u32,
    migrate: fn(u32, Value) -> anyhow::Result<Value>,
    of: PhantomData<fn() -> T>,
}

/// A record and when it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Versioned<T> {
    /// The record.
    pub value: T,
    /// The version to expect when it is to be replaced.
    pub version: u64,
}

#[derive(Serialize, Deserialize)]
struct Stored<T> {
    schema: u32,
    data: T,
}

impl<T: Serialize + DeserializeOwned> Table<T> {
    /// The table whose keys begin with `prefix`, in the first version of its schema.
    pub const fn new(prefix: &'static str) -> Table<T> {
        Table { prefix, schema: 1, migrate: |schema, _| bail!("there is no schema {schema}"), of: PhantomData }
    }

    /// The same in a later version; `migrate` turns data of an earlier one (its number, its JSON) into this one's.
    pub const fn schema(mut self, schema: u32, migrate: fn(u32, Value) -> anyhow::Result<Value>) -> Table<T> {
        self.schema = schema;
        self.migrate = migrate;
        self
    }

    /// The whole key of the record `name`.
    pub fn key(&self, name: impl std::fmt::Display) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The name of the record whose whole key this is; nothing where it is in another table.
    pub fn name<'k>(&self, key: &'k str) -> Option<&'k str> {
        key.strip_prefix(self.prefix)
    }

    /// The record `name`.
    ///
    /// # Errors
    /// When the store can not be read, or the record is not of this table's type.
    pub async fn get(&self, store: &dyn Read, name: impl std::fmt::Display) -> anyhow::Result<Option<Versioned<T>>> {
        let key = self.key(name);
        let record = store.get(&key).await?;
        record.map(|record| self.read(&key, &record)).transpose()
    }

    /// At most `limit` records whose names begin with `name`, in the order of their names.
    ///
    /// # Errors
    /// As [`Table::get`].
    pub async fn scan(
        &self,
        store: &dyn Read,
        name: &str,
        limit: usize,
    ) -> anyhow::Result<Vec<(String, Versioned<T>)>> {
        self.all(store.scan(&self.key(name), None, limit).await?)
    }

    /// The same, last first, and only those before the name `before`.
    ///
    /// # Errors
    /// As [`Table::get`].
    pub async fn scan_back(
        &self,
        store: &dyn Read,
        name: &str,
        before: Option<&str>,
        limit: usize,
    ) -> anyhow::Result<Vec<(String, Versioned<T>)>> {
        let before = before.map(|before| self.key(before));
        self.all(store.scan_back(&self.key(name), before.as_deref(), limit).await?)
    }

    /// Writes the record `name` when the act ends.
    ///
    /// # Errors
    /// When it can not be written as JSON.
    pub fn put(&self, permit: &Permit, name: impl std::fmt::Display, value: &T) -> anyhow::Result<()> {
        permit.put(self.key(name), self.encode(value)?);
        Ok(())
    }

    /// Writes the record `name` with the batch: for the bot's own book-keeping.
    ///
    /// # Errors
    /// When it can not be written as JSON.
    pub fn put_in(&self, batch: &mut Batch, name: impl std::fmt::Display, value: &T) -> anyhow::Result<()> {
        batch.put(self.key(name), self.encode(value)?);
        Ok(())
    }

    fn encode(&self, value: &T) -> anyhow::Result<Vec<u8>> {
        Ok(serde_json::to_vec(&Stored { schema: self.schema, data: value })?)
    }

    fn all(&self, records: Vec<(String, Record)>) -> anyhow::Result<Vec<(String, Versioned<T>)>> {
        let read = |(key, record): (String, Record)| {
            let value = self.read(&key, &record)?;
            Ok((key[self.prefix.len()..].to_owned(), value))
        };
        records.into_iter().map(read).collect()
    }

    fn read(&self, key: &str, record: &Record) -> anyhow::Result<Versioned<T>> {
        let value = self.decode(&record.value).with_context(|| format!("the record {key} can not be read"))?;
        Ok(Versioned { value, version: record.version })
    }

    /// A record as it lies in the store: for who watches it.
    ///
    /// # Errors
    /// When it is not of this table's type, or a newer Deckhand wrote it.
    pub fn decode(&self, bytes: &[u8]) -> anyhow::Result<T> {
        // Nearly all records are of this schema: they are read once, without a tree of values in between.
        if let Ok(Stored { schema, data }) = serde_json::from_slice::<Stored<T>>(bytes)
            && schema == self.schema
        {
            return Ok(data);
        }
        let Stored { schema, data } = serde_json::from_slice::<Stored<Value>>(bytes)?;
        match schema.cmp(&self.schema) {
            Ordering::Less => Ok(serde_json::from_value((self.migrate)(schema, data)?)?),
            Ordering::Equal => Ok(serde_json::from_value(data)?),
            Ordering::Greater => bail!("a newer Deckhand wrote it (schema {schema}, this one knows {})", self.schema),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Flag {
        on: bool,
        owner: String,
    }

    /// The first schema had no owner.
    fn migrate(schema: u32, mut data: Value) -> anyhow::Result<Value> {
        match schema {
            1 => data["owner"] = "nobody".into(),
            other => bail!("there was no schema {other}"),
        }
        Ok(data)
    }

    #[test]
    fn records_of_every_schema_are_read_and_of_a_newer_one_refused() {
        const FLAGS: Table<Flag> = Table::new("flags/").schema(2, migrate);
        let read = |text: &str| FLAGS.decode(text.as_bytes()).map_err(|error| error.to_string());
        let flag = |owner: &str| Ok(Flag { on: true, owner: owner.to_owned() });
        let written = FLAGS.encode(&Flag { on: true, owner: "ana".to_owned() }).unwrap();
        assert_eq!(read(std::str::from_utf8(&written).unwrap()), flag("ana"));
        assert_eq!(read(r#"{"schema":2,"data":{"on":true,"owner":"ana"}}"#), flag("ana"));
        assert_eq!(read(r#"{"schema":1,"data":{"on":true}}"#), flag("nobody"));
        let newer = "a newer Deckhand wrote it (schema 3, this one knows 2)";
        assert_eq!(read(r#"{"schema":3,"data":{"on":true}}"#), Err(newer.to_owned()));
        assert_eq!(read(r#"{"schema":0,"data":{"on":true}}"#), Err("there was no schema 0".to_owned()));
        assert!(read(r#"{"on":true}"#).is_err());
    }
}
