//! What each parser is fed with at first: plain examples, edges, and every input that once broke it.

pub const REQUESTS: &[&[u8]] = &[
    b"GET /a?b=c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"\r\nPOST http://a:80/ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
    b"PUT / HTTP/1.0\r\nConnection: upgrade, keep-alive\r\nUpgrade: websocket\r\nA:\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: [::1]:1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\nX: a\r\n b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : a\r\nA\0: b\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];

pub const RESPONSES: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=b\r\n\r\nok",
    b"HTTP/1.0 304\r\nEtag: \"x\"\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n",
    b"HTTP/1.1 200 \xc3\xa9\r\nTransfer-Encoding: gzip, chunked\r\nContent-Length: 3\r\n\r\n",
    b"HTTP/1.1 999 \r\nKeep-Alive: timeout=5\r\n\r\n",
];

pub const CHUNKED: &[&[u8]] = &[
    b"5\r\nhello\r\n0\r\n\r\n",
    b"5;a=\"b\\\"\";c=d\r\nhello\r\na\r\n0123456789\r\n0\r\nGrpc-Status: 0\r\nX: y\r\n\r\nGET",
    b"ffffffffffffffff\r\nx",
    b"00000000000000000001\r\na\r\n0\r\n\r\n",
    b"1\na\n0\n\n",
    b"1 \r\na\r\n0\r\nContent-Length: 5\r\n\r\n",
    b"\r\n\r\n",
];

pub const TARGETS: &[&[u8]] = &[
    b"/",
    b"*",
    b"/a/%2e%2e/%2Fb/./../c//d;e?f=g+h&i=%6a;k&&=l",
    b"/caf\xc3\xa9 [1]!'()*%41",
    b"http://user@host:80/path?query#fragment",
    b"//host/path",
    b"/a%zz/%",
    b"/a\0b/..;/c",
];

pub const JSON: &[&[u8]] = &[
    br#"{"id":123,"name":"hello world","tags":["a","b","c"],"nested":{"x":1.5,"y":null,"z":true}}"#,
    br#"{"a":{"b":{"c":1,"d":{"e":2}},"a":[]},"b":{"c":"x","d":{"e":[1,2]}},"a":3}"#,
    br#"[{"a":1},{"b":[[[[]]]]},-0.0e+12,"\u0041\ud83d\ude00\ud800\n"]"#,
    b" {\"collection\" : [ ] , \"content\":\"<a>&\xe2\x80\xa8\" } trailing",
    b"\xef\xbb\xbf{}",
    b"{\"a\":\"\xff\xc0\x80\",\"\":0}",
    b"[01,1.,.5,1e,-]",
    b"\"a\tb\"",
    b"{\"g\":{\"g\":{\"g\":{\"g\":{\"g\":{}}}}}}",
];

pub const CONFIGURATIONS: &[&[u8]] = &[
    br#"{"version": 3, "host": ["http://a"], "timeout": "2s", "extra_config": {"router": {"error_body": {"404": {"a": [1]}}}, "ringway": {"profile": "safe"}}, "endpoints": [{"endpoint": "/a/{x}", "method": "GET", "input_headers": ["*"], "backend": [{"url_pattern": "/b/{x}?c={x}", "allow": ["a.b"], "mapping": {"a": "b"}}]}]}"#,
    b"version: 3\nhost: [\"http://a\"]\nendpoints:\n  - endpoint: /a\n    backend: &b\n      - url_pattern: /b\n  - endpoint: /c\n    backend: *b\n",
    b"version = 3\nhost = [\"http://a\"]\n[[endpoints]]\nendpoint = \"/a\"\n[[endpoints.backend]]\nurl_pattern = \"/b\"\n",
    b"{\"version\":3,\"endpoints\":[{\"endpoint\":\"/{a}/{a}\",\"backend\":[{\"url_pattern\":\"/{resp0_x}\"}]}],\"$schema\":\"x\",\"timeuot\":1}",
    b"{\"version\": 3, // comment\n \"port\": 99999, \"tls\": {}, \"plugin\": {\"folder\": \"x\"}}",
    b"a: &a [*a, *a]\n--- \nb: !!binary |\n  aaaa\n",
];

pub const VALUES: &[&[u8]] = &[
    b"2s",
    b"-1h2m3.5ms",
    b"http://user:password@[::1]:8080/path",
    b"/a/{b}/{c}?d={e}",
    b"10MiB",
    b"*",
    b"application/json; charset=utf-8",
    b"\xc3\xa9\n\0",
    b"18446744073709551616",
];

pub const ROUTES: &[&[u8]] = &[
    b"\0/a\n/a/:b\n/a/:b/c\n/*rest\n/a/x/c",
    b"\x3f/a/\n/A/b\n/a/:x/\n/A/B",
    b"\x01/:a/:b/:c\n/x/*y\n//x/../y",
    b"\x08/caf\xc3\xa9/:a\n/\n/CAF\xc3\x89/b",
    b"\x10/a%2fb/:c\n/a%2Fb/d",
];
