package dedup

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

var (
	formHeader = map[string][]string{"Content-Type": {"application/x-www-form-urlencoded; charset=UTF-8"}}
	jsonHeader = map[string][]string{"content-type": {"application/ld+json"}}
)

// As TestFingerprintsNeverChange, for what rules add. Never change a row.
func TestFingerprintsByRuleNeverChange(t *testing.T) {
	t.Parallel()
	german := map[string][]string{"accept-language": {"de", "en\n"}, "X-Other": {"1"}}
	bodies, headers := Rules{CanonicalBodies: true}, Rules{FingerprintHeaders: []string{"X-Shop", "accept-Language", "X-Shop"}}
	for _, row := range []struct {
		rules  Rules
		header map[string][]string
		body   string
		same   string // what SHA-256 is taken over
		want   string
	}{
		{Rules{}, formHeader, "b=2&a=1", "POST\nhttp://h/\nb=2&a=1", "9b59123ad953e9e83a08e855b74e6e5b"},
		{bodies, nil, "b=2&a=1", "POST\nhttp://h/\nb=2&a=1", "9b59123ad953e9e83a08e855b74e6e5b"},
		{bodies, formHeader, "b=2&a=1", "POST\nhttp://h/\na=1&b=2", "75b9a4c40b9cafdf1c6147ff3a69e737"},
		{bodies, jsonHeader, `{"b": 1.0, "a": [ ]}`, `POST` + "\nhttp://h/\n" + `{"a":[],"b":1.0}`, "f9eff8eb8a44c51b3325515ac547a007"},
		{headers, german, "", "POST\nAccept-Language: \"de\"\nAccept-Language: \"en\\n\"\nhttp://h/\n", "1d89fda3d5bd3fa3996e2b84885d8c6c"},
		{headers, nil, "", "POST\nhttp://h/\n", "55c0afa8b506db9b3aeeb9c08f88e64b"},
	} {
		c := compile(t, row.rules)
		got := c.Fingerprint("POST", "http://h/", row.header, []byte(row.body)).String()
		method, rest, _ := strings.Cut(row.same, "\n")
		cut := strings.Index(rest, "http://h/\n") + len("http://h/")
		if same := Of(method, rest[:cut], []byte(rest[cut+1:])).String(); got != same || got != row.want {
			t.Errorf("%+v, %v, %s: %s, by its lines %s, want %s", row.rules, row.header, row.body, got, same, row.want)
		}
	}
}

func TestBodiesHaveOneForm(t *testing.T) {
	t.Parallel()
	c := compile(t, Rules{CanonicalBodies: true})
	deep := strings.Repeat(`{"b":1,"a":`, 101) + "1" + strings.Repeat("}", 101)
	for _, row := range []struct {
		header   map[string][]string
		in, want string
	}{
		{formHeader, "b=2&&a=2&a=1&", "a=2&a=1&b=2"},
		{formHeader, "?b=%7e%2f&a", "?b=~%2F&a"},
		{formHeader, "&", ""},
		{jsonHeader, " {\"b\" : [ 1.50, -0, 1E2 , {\"d\":null,\"c\":\"x y\"} ] ,\n\"a\":true}", `{"a":true,"b":[1.50,-0,1E2,{"c":"x y","d":null}]}`},
		{jsonHeader, `{"b":1,"\u0061":2,"a":3}`, `{"\u0061":2,"a":3,"b":1}`},
		{jsonHeader, `{"b\"}":"\\","a":"<&>"}`, `{"a":"<&>","b\"}":"\\"}`},
		{jsonHeader, ` 12 `, `12`},
		{jsonHeader, `{"b": 1, "a"}`, `{"b": 1, "a"}`},
		{jsonHeader, deep, deep},
		{map[string][]string{"Content-Type": {"text/plain"}}, "b=2&a=1", "b=2&a=1"},
	} {
		if got := string(c.Body(row.header, []byte(row.in))); got != row.want {
			t.Errorf("%.80s\ngot  %.80s\nwant %.80s", row.in, got, row.want)
		}
	}
}

func TestWrongFingerprintHeadersAreNamed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "a b", "a:", "é", "a\n"} {
		if _, err := (Rules{FingerprintHeaders: []string{"A", name}}).Compile(); err == nil || !strings.Contains(err.Error(), "FingerprintHeaders[1]") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func FuzzCanonicalBodies(f *testing.F) {
	for _, s := range []string{`{"b":[1,{"d":1,"c":"\"}"}],"a":{}}`, `[[],{},"",-1e5]`, `{"a":1,"\u0061":2}`, "{\"\xff\":1,\"\xfe\":2}", "b=2&a=%41&&%=%%34%31", "1", "?"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		given := bytes.Clone(body)
		for name, canonical := range map[string]func([]byte) []byte{"form": canonicalForm, "JSON": canonicalJSON} {
			once := canonical(body)
			if twice := canonical(once); !bytes.Equal(once, twice) {
				t.Fatalf("%s: %q becomes %q, and that %q", name, body, once, twice)
			}
			if !bytes.Equal(body, given) {
				t.Fatalf("%s: the body was changed", name)
			}
		}
		var before, after any
		if decode(body, &before) != nil {
			return
		}
		if err := decode(canonicalJSON(body), &after); err != nil || !reflect.DeepEqual(before, after) {
			t.Fatalf("%q means %v, its canonical form %v, %v", body, before, after, err)
		}
	})
}

// decode reads JSON with the numbers as they are written.
func decode(b []byte, v any) error {
	if !json.Valid(b) {
		return json.Unmarshal(b, v)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return d.Decode(v)
}
