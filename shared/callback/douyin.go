package callback

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"strings"
)

// ParseDouyin reads the body of one of Douyin's webhooks (reference douyin A.10). It always gives an Event. Its Key is
// that of the whole body: the signature has no time, so whoever has one signed body can send it again for ever with
// another Msg-Id, and must not be able to make a second event of it; events of their own have log ids of their own.
func ParseDouyin(body []byte) Event {
	e, o := begin(Douyin, body, "event")
	if o == nil {
		return e
	}
	sum := sha256.Sum256(body)
	e.Key = hash([][]string{{e.Platform}, {string(sum[:])}})
	e.Fields.OpenID = o.id("from_user_id")
	content := readObject(o["content"])
	e.addRemotes(content.id("item_id"))
	e.addRemotes(content.id("share_id"))
	switch e.Type {
	case "authorize", "contract_authorize":
		e.Fields.Grant = &Grant{Given: true, Scopes: content.texts("scopes")}
	case "unauthorize", "contract_unauthorize":
		e.Fields.Grant = &Grant{Scopes: content.texts("scopes")}
	}
	return e
}

// Challenge gives the answer to Douyin's check of our URL: {"challenge":12345} for an event verify_webhook with a whole
// number. Anything else is not ok; in particular nothing but digits is ever sent back.
func Challenge(body []byte) (answer []byte, ok bool) {
	if len(body) > 4096 {
		return nil, false
	}
	_, o := begin(Douyin, body, "event")
	if o.text("event") != "verify_webhook" {
		return nil, false
	}
	n := string(bytes.TrimSpace(readObject(o["content"])["challenge"]))
	if n == "" || len(n) > 20 || strings.Trim(n, "0123456789") != "" || !json.Valid([]byte(n)) {
		return nil, false
	}
	return []byte(`{"challenge":` + n + `}`), true
}
