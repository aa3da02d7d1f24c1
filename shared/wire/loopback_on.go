//go:build vodlift_loopback

package wire

import (
	"encoding/json"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/transport"
)

// near lets the platforms be fakes on this very machine. Only a build for tests has it (build tag vodlift_loopback): no
// setting of a function can (design 4.10). VODLIFT_LOOPBACK is JSON of Engines' plain fields: {"Douyin": {...}, ...}; what
// it does not name stays as it is.
func near(e Engines, lookup func(string) (string, bool)) (Engines, error) {
	settings, ok := lookup("VODLIFT_LOOPBACK")
	if !ok {
		return e, nil
	}
	fields := map[string]any{"Douyin": &e.Douyin, "Youku": &e.Youku, "VOD": &e.VOD, "Web": &e.Web, "Ledger": &e.Ledger, "Steps": &e.Steps}
	var given map[string]json.RawMessage
	err := json.Unmarshal([]byte(settings), &given)
	for name, value := range given {
		if field, known := fields[name]; err == nil && known {
			err = json.Unmarshal(value, field)
		}
	}
	if err != nil {
		return e, fault.Wrap("wire.near", err)
	}
	e.HTTP = transport.New(transport.Options{AllowLoopback: true, MaxResponse: 4 << 20, Log: e.Log})
	e.Loopback = true
	return e, nil
}
