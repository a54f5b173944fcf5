// Writes go.tsv: what Go's encoding/json makes of each document of cases.tsv.
//
//	go run verdicts.go cases.tsv > go.tsv
//
// Columns: name; verdict of a Decoder into interface{} (ok or the error's text); valid or invalid
// as a whole; the verdicts into map[string]interface{} and []interface{}; the value encoded again
// without and with HTML escapes, - where longer than 500 bytes. %hh is a byte, %(n:text%) is the
// text n times.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
)

func unescape(s string) []byte {
	var out []byte
	for i := 0; i < len(s); {
		if s[i] != '%' {
			out = append(out, s[i])
			i++
			continue
		}
		if s[i+1] == '(' {
			colon := strings.IndexByte(s[i:], ':') + i
			end := strings.Index(s[colon:], "%)") + colon
			n, _ := strconv.Atoi(s[i+2 : colon])
			out = append(out, bytes.Repeat(unescape(s[colon+1:end]), n)...)
			i = end + 2
			continue
		}
		b, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			panic(s)
		}
		out = append(out, byte(b))
		i += 3
	}
	return out
}

func escape(b []byte) string {
	var out strings.Builder
	for _, c := range b {
		if c == '%' || c < 0x20 || c > 0x7e {
			fmt.Fprintf(&out, "%%%02x", c)
		} else {
			out.WriteByte(c)
		}
	}
	return out.String()
}

func encode(v any, html bool) string {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(html)
	if err := e.Encode(v); err != nil {
		return "-"
	}
	b := bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	if len(b) > 500 {
		return "-"
	}
	return escape(b)
}

func main() {
	in, _ := os.Open(os.Args[1])
	sc := bufio.NewScanner(in)
	sc.Buffer(nil, 1<<20)
	w := bufio.NewWriter(os.Stdout)
	defer w.Flush()
	for sc.Scan() {
		name, text, _ := strings.Cut(sc.Text(), "\t")
		body := unescape(text)
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		var v any
		verdict, plain, html := "ok", "-", "-"
		if err := d.Decode(&v); err != nil {
			verdict = escape([]byte(err.Error()))
		} else {
			plain, html = encode(v, false), encode(v, true)
		}
		var m map[string]any
		d = json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		object := "ok"
		if err := d.Decode(&m); err != nil {
			object = escape([]byte(err.Error()))
		}
		var a []any
		d = json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		array := "ok"
		if err := d.Decode(&a); err != nil {
			array = escape([]byte(err.Error()))
		}
		whole := "valid"
		if !json.Valid(body) {
			whole = "invalid"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", name, verdict, whole, object, array, plain, html)
	}
}
