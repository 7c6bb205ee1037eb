use super::*;

fn answer(inner: &str) -> Result<Answer, DecodeError> {
    decode_answer(
        format!("<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value>{inner}</value>\n</param>\n</params>\n</methodResponse>\n")
            .as_bytes(),
    )
}

#[test]
fn decodes_what_pythons_client_decodes() {
    let cases: &[(&str, Value)] = &[
        ("<nil/>", Value::Nil),
        ("<ex:nil/>", Value::Nil),
        ("<int>-7</int>", Value::Int(-7)),
        ("<i4> 7 </i4>", Value::Int(7)),
        ("<int>1099511627776</int>", Value::Int(1 << 40)),
        ("<i8>1099511627776</i8>", Value::Int(1 << 40)),
        ("<biginteger>5</biginteger>", Value::Int(5)),
        ("<double>1e+300</double>", Value::Double(1e300)),
        ("<float>1.5</float>", Value::Double(1.5)),
        ("<boolean>1</boolean>", Value::Bool(true)),
        ("  two  ", Value::from("  two  ")),
        ("", Value::from("")),
        ("<string/>", Value::from("")),
        ("<string>a &lt;b&gt; &amp; &quot;c&#233;&quot; ✓</string>", Value::from("a <b> & \"cé\" ✓")),
        ("<string><![CDATA[<x>]]></string>", Value::from("<x>")),
        ("<base64>\nAAH/\n</base64>", Value::Bytes(vec![0, 1, 255])),
        ("<dateTime.iso8601>20260101T00:00:00</dateTime.iso8601>", Value::DateTime("20260101T00:00:00".into())),
        ("<array><data></data></array>", Value::Array(vec![])),
        ("<array><data/></array>", Value::Array(vec![])),
        ("<array><data>\n<value><nil/></value>\n<value>x</value></data></array>", vec![Value::Nil, "x".into()].into()),
        ("<struct></struct>", Value::record([])),
        ("<struct/>", Value::record([])),
        (
            "<struct>\n<member>\n<name>a b</name>\n<value><int>1</int></value>\n</member></struct>",
            Value::record([("a b", Value::Int(1))]),
        ),
    ];
    for (xml, expected) in cases {
        assert_eq!(answer(xml).as_ref(), Ok(&Ok(expected.clone())), "{xml}");
    }
}

#[test]
fn refuses_what_is_not_an_answer() {
    let bodies: &[&str] = &[
        "",
        "<html><body>Gateway time-out</body></html>",
        "<methodResponse>",
        "<methodResponse><params><param><value><int>x</int></value></param></params></methodResponse>",
        "<methodResponse><params><param><value><boolean>2</boolean></value></param></params></methodResponse>",
        "<methodResponse><params><param><value><int>1</int></value></param></params></methodResponse><more/>",
        "<!DOCTYPE x [<!ENTITY e 'y'>]><methodResponse><params><param><value>&e;</value></param></params></methodResponse>",
        "<methodResponse><params><param><value>&nbsp;</value></param></params></methodResponse>",
        "<methodResponse><params><param><value><int>1</i8></value></param></params></methodResponse>",
        "<methodResponse><fault><value>no struct</value></fault></methodResponse>",
        "plain text",
    ];
    for body in bodies {
        assert!(decode_answer(body.as_bytes()).is_err(), "{body}");
    }
    assert_eq!(decode_answer(b"<methodResponse>\xff"), Err(DecodeError::Encoding { at: 16 }));
}

#[test]
fn a_fault_is_an_answer() {
    let xml = "<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>1000</int></value></member>\
               <member><name>faultString</name><value><string>no</string></value></member></struct></value></fault></methodResponse>";
    assert_eq!(decode_answer(xml.as_bytes()), Ok(Err(Fault { code: 1000, text: "no".into() })));
}

#[test]
fn deep_nesting_is_refused_not_followed() {
    let deep = format!("{}1{}", "<array><data><value>".repeat(100_000), "</value></data></array>".repeat(100_000));
    assert_eq!(answer(&deep), Err(DecodeError::TooDeep));
}

#[test]
fn more_values_than_any_hub_has_are_refused_and_ten_thousand_tasks_are_read() {
    let array = |value: &str, times: usize| format!("<array><data>{}</data></array>", value.repeat(times));
    let member = "<value><struct><member><name/><value/></member></struct></value>";
    assert_eq!(answer(&array("<value/>", MOST_VALUES)), Err(DecodeError::TooMany));
    assert_eq!(answer(&array(member, MOST_VALUES / STRUCT)), Err(DecodeError::TooMany));
    // As getTaskDescendents has them: all fields of a task.
    let fields: String =
        (0..25).map(|field| format!("<member><name>f{field}</name><value><nil/></value></member>")).collect();
    let Ok(Ok(Value::Array(tasks))) = answer(&array(&format!("<value><struct>{fields}</struct></value>"), 10_000))
    else {
        panic!("not read")
    };
    assert_eq!(tasks.len(), 10_000);
}

#[test]
fn what_is_encoded_is_decoded_to_the_same() {
    let value = Value::record([
        ("nil", Value::Nil),
        (
            "numbers",
            vec![Value::Int(i64::MIN), Value::Int(2_147_483_648), Value::Double(0.1), Value::Bool(false)].into(),
        ),
        ("text", "a <&> \r\n \"'\u{1F980}".into()),
        ("bytes", Value::Bytes((0..=255).collect())),
    ]);
    let call = encode_call("echo", std::slice::from_ref(&value)).unwrap();
    let inner = call.split_once("<value>").unwrap().1.rsplit_once("</value>").unwrap().0;
    assert_eq!(answer(inner), Ok(Ok(value)));
}

#[test]
fn a_character_that_xml_cannot_carry_is_refused_before_sending() {
    let error = encode_call("echo", &["a\u{1b}[31m".into()]).unwrap_err();
    assert_eq!(error.to_string(), "the character U+001B in \"a\\u{1b}[31m\" cannot be sent to a Koji hub");
}

#[test]
fn arbitrary_and_mutated_bytes_never_panic() {
    let good = encode_call("echo", &[Value::record([("a", vec![Value::Nil, Value::Int(1), "x&y".into()].into())])])
        .unwrap()
        .replace("methodCall", "methodResponse")
        .replace("<methodName>echo</methodName>", "");
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..20_000 {
        let mut body = good.clone().into_bytes();
        for _ in 0..=random() % 4 {
            let at = (random() % body.len() as u64) as usize;
            match random() % 3 {
                0 => body[at] = random() as u8,
                1 => body.truncate(at.max(1)),
                _ => body.insert(at, b"<>/&;v"[(random() % 6) as usize]),
            }
        }
        let _ = decode_answer(&body);
    }
}
