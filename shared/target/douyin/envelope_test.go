package douyin

import (
	"testing"
)

func TestEnvelope(t *testing.T) {
	for _, c := range []struct {
		name, body string
		bad        bool
		code       int64
		logID      string
		words      string
	}{
		{name: "success", body: `{"data":{"error_code":0,"description":""},"extra":{"error_code":0,"logid":"L1","now":1597213176393}}`, logID: "L1"},
		{name: "absent means zero", body: `{"data":{"item_id":"x"},"extra":{}}`},
		{name: "numbers as strings", body: `{"data":{"error_code":"0"},"extra":{"error_code":"0","now":"1597"}}`},
		{name: "empty string is zero", body: `{"data":{"error_code":""}}`},
		{name: "null is zero", body: `{"data":{"error_code":null}}`},
		{name: "a whole float", body: `{"data":{"error_code":2190008.0}}`, code: 2190008},
		{name: "log_id in extra", body: `{"data":{},"extra":{"log_id":"L2"}}`, logID: "L2"},
		{name: "both places", body: `{"data":{"description":"d","error_code":2190008},"extra":{"error_code":2190008,"sub_description":"s"}}`, code: 2190008, words: "d; s"},
		{name: "extra only", body: `{"data":{},"extra":{"error_code":10008,"description":"e"}}`, code: 10008, words: "e"},
		{name: "data null", body: `{"data":null,"extra":{"error_code":10008}}`, code: 10008},
		{name: "data empty string", body: `{"data":"","extra":{"error_code":10008}}`, code: 10008},
		{name: "sub code only", body: `{"data":{"error_code":0},"extra":{"sub_error_code":7}}`, code: 7},
		{name: "top level", body: `{"error_code":5,"description":"t"}`, code: 5, words: "t"},
		{name: "flat", body: `{"err_no":28001003,"err_msg":"m","log_id":"L3","data":{}}`, code: 28001003, words: "m", logID: "L3"},
		{name: "flat success", body: `{"err_no":0,"err_msg":"","log_id":"L","data":{"x":1}}`, logID: "L"},
		{name: "oauth", body: `{"data":{"captcha":"","description":"bad","error_code":10003,"log_id":"L"},"message":"error"}`, code: 10003, words: "bad", logID: "L"},
		{name: "a description that is no string", body: `{"data":{"error_code":5,"description":{"x":1}}}`, code: 5},
		{name: "code is a word", body: `{"data":{"error_code":"x"}}`, bad: true},
		{name: "code is an object", body: `{"data":{"error_code":{}}}`, bad: true},
		{name: "code is a fraction", body: `{"data":{"error_code":0.5}}`, bad: true},
		{name: "code is true", body: `{"extra":{"error_code":true}}`, bad: true},
		{name: "empty object", body: `{}`, bad: true},
		{name: "array", body: `[]`, bad: true},
		{name: "null", body: `null`, bad: true},
		{name: "text", body: `"data"`, bad: true},
		{name: "cut", body: `{"data":{"error_code":0}`, bad: true},
		{name: "two documents", body: `{"data":{}} {"data":{}}`, bad: true},
		{name: "html", body: `<html><body>502</body></html>`, bad: true},
		{name: "nothing", body: ``, bad: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := decodeEnvelope([]byte(c.body))
			if (err != nil) != c.bad {
				t.Fatalf("error %v, want one: %v", err, c.bad)
			}
			if err == nil && (e.code() != c.code || e.ok() != (c.code == 0) || e.logID != c.logID || e.words != c.words) {
				t.Errorf("got code %d, log id %q, words %q", e.code(), e.logID, e.words)
			}
		})
	}
}

func FuzzEnvelope(f *testing.F) {
	for _, s := range []string{`{"data":{"error_code":"1"},"extra":{"sub_error_code":2,"logid":"x"}}`, `{"err_no":1}`, `{"data":[],"extra":null}`, `{}`, `{"data":{"error_code":1e400}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeEnvelope(b)
		if err == nil && e.ok() != (e.code() == 0) {
			t.Errorf("%q: ok %v with code %d", b, e.ok(), e.code())
		}
	})
}
