//! Reference data: files and port say what PROTOCOL.md says they say.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;
use venue::config::ReferenceConfig;
use venue::{Config, reference};

use crate::folder::Folder;
use crate::loopback::{config, start};

const PROTOCOL: &str = include_str!("../../../feed/PROTOCOL.md");

/// What comes back for these bytes, to the end of the connection.
fn ask(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

fn get(address: SocketAddr, path: &str) -> (String, String) {
    let answer = ask(address, format!("GET {path} HTTP/1.1\r\nHost: vesta\r\n\r\n").as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// The words in the first two columns of the table.
fn documented() -> (Vec<String>, Vec<String>) {
    let start = PROTOCOL.find("### Reference data\n").unwrap();
    let lines = PROTOCOL[start..].lines().skip(1).take_while(|line| !line.starts_with('#'));
    let rows = lines.filter(|line| line.starts_with('|')).skip(2);
    let words = |cell: &str| -> Vec<String> {
        cell.split(',')
            .map(|word| word.trim().trim_matches('`').to_owned())
            .filter(|it| !it.is_empty())
            .collect()
    };
    let (mut json, mut csv) = (Vec::new(), Vec::new());
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        json.extend(words(cells[0]));
        csv.extend(words(cells[1]));
    }
    (json, csv)
}

#[test]
fn files_and_port_have_what_a_reader_of_the_feed_needs() {
    let folder = Folder::new();
    let listen = Some("127.0.0.1:0".parse().unwrap());
    let mut config = Config { reference: Some(ReferenceConfig { listen }), ..config(&folder) };
    config.currencies = vec![Some("USD".into()), None];
    let venue = start(&config);
    let address = venue.reference_addr().unwrap();
    let (head, json) = get(address, "/instruments.json");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("application/json"), "{head}");
    assert!(
        head.contains("ETag: \"1\"") && head.contains(&format!("Content-Length: {}", json.len()))
    );
    let (head, csv) = get(address, "/instruments.csv");
    assert!(head.contains("text/csv"), "{head}");
    let files = reference::folder(&config);
    assert_eq!(fs::read_to_string(files.join("instruments.json")).unwrap(), json);
    assert_eq!(fs::read_to_string(files.join("instruments.csv")).unwrap(), csv);

    let value: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&value["format"], &value["version"]), (&1.into(), &1.into()));
    let session = value["session"].as_str().unwrap();
    assert!(session.len() == 10 && session.starts_with('V'));
    let [btc, eth] = &value["instruments"].as_array().unwrap()[..] else { panic!("{json}") };
    assert_eq!(
        (&btc["stock_locate"], &btc["stock"], &btc["currency"]),
        (&1.into(), &"BTC-USD".into(), &"USD".into())
    );
    assert_eq!((&eth["stock"], &eth["currency"]), (&"ETH-USD".into(), &Value::Null));
    assert_eq!((&btc["price_decimals"], &btc["feed_price_decimals"]), (&2.into(), &4.into()));
    assert_eq!(
        (&btc["lot_size"], &btc["qty_min"], &btc["qty_max"]),
        (&"0.0001".into(), &"0.0001".into(), &"1000.0000".into())
    );
    let tick = &btc["tick_table"][0];
    assert_eq!(
        (&tick["price_from"], &tick["tick_size"], &tick["feed_tick_size"]),
        (&"0.01".into(), &"0.01".into(), &100.into())
    );
    let mut lines = csv.lines();
    let header = lines.next().unwrap();
    assert_eq!(
        lines.next().unwrap(),
        "1,1,BTC-USD,USD,2,4,0.01,199999.99,0.01,0.01,100,4,0.0001,0.0001,1000.0000"
    );
    assert_eq!(lines.count(), 1);

    // The document has all of it and no more.
    let (in_json, in_csv) = documented();
    let keys = value.as_object().unwrap().keys().filter(|key| *key != "instruments");
    let mut keys: Vec<String> = keys.chain(btc.as_object().unwrap().keys()).cloned().collect();
    let (mut in_json, mut in_csv) = (in_json, in_csv);
    keys.sort();
    in_json.sort();
    assert_eq!(keys, in_json);
    let mut columns: Vec<String> = header.split(',').map(str::to_owned).collect();
    columns.sort();
    in_csv.sort();
    assert_eq!(columns, in_csv);
    venue.stop().unwrap();
}

#[test]
fn a_version_is_of_one_content_for_ever() {
    let folder = Folder::new();
    let mut config =
        Config { reference: Some(ReferenceConfig { listen: None }), ..config(&folder) };
    let version = |config: &Config| {
        start(config).stop().unwrap();
        let json = fs::read_to_string(reference::folder(config).join("instruments.json")).unwrap();
        let value: Value = serde_json::from_str(&json).unwrap();
        value["version"].as_u64().unwrap()
    };
    assert_eq!((version(&config), version(&config)), (1, 1));
    config.currencies = vec![Some("USD".into()), Some("USD".into())];
    assert_eq!((version(&config), version(&config)), (2, 2));
    config.name = "OTHER".into();
    assert_eq!(version(&config), 3);
    // What was removed or changed by somebody else is written anew, under a new number.
    fs::remove_file(reference::folder(&config).join("instruments.csv")).unwrap();
    assert_eq!(version(&config), 4);
    fs::write(reference::folder(&config).join("instruments.json"), "{}").unwrap();
    assert_eq!(version(&config), 5);
}

#[test]
fn the_port_answers_what_it_knows_and_lets_nobody_wait() {
    let folder = Folder::new();
    let listen = Some("127.0.0.1:0".parse().unwrap());
    let config = Config { reference: Some(ReferenceConfig { listen }), ..config(&folder) };
    let venue = start(&config);
    let address = venue.reference_addr().unwrap();
    // Who says nothing is cut; meanwhile others are served.
    let mut silent = TcpStream::connect(address).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    for (request, status) in [
        ("GET /instruments.json HTTP/1.0\r\n\r\n", "200 OK"),
        ("GET / HTTP/1.1\r\n\r\n", "404 Not Found"),
        ("GET /instruments.json?a HTTP/1.1\r\n\r\n", "404 Not Found"),
        ("GET /../vesta.toml HTTP/1.1\r\n\r\n", "404 Not Found"),
        ("POST /instruments.json HTTP/1.1\r\n\r\n", "405 Method Not Allowed"),
        ("GET /instruments.json\r\n\r\n", "400 Bad Request"),
        ("GET /instruments.json FTP/1.1\r\n\r\n", "400 Bad Request"),
        ("\r\n\r\n", "400 Bad Request"),
    ] {
        let answer = ask(address, request.as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request:?}: {answer}");
        assert_eq!(status == "200 OK", answer.contains("BTC-USD"), "{answer}");
    }
    let head = ask(address, b"HEAD /instruments.csv HTTP/1.1\r\nAccept: */*\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    let long = [b"GET /instruments.csv HTTP/1.1\r\nX: ".as_slice(), &vec![b'a'; 5_000]].concat();
    assert!(ask(address, &long).starts_with("HTTP/1.1 431 "));
    let mut nothing = Vec::new();
    assert_eq!(silent.read_to_end(&mut nothing).unwrap(), 0);
    venue.stop().unwrap();
}
