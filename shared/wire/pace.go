package wire

import (
	"github.com/vodlift/vodlift/shared/config"
	"github.com/vodlift/vodlift/shared/state"
)

// Paces is the configuration as the ledger wants it. Every process that works on one ledger needs the same.
func Paces(in map[string]config.Pace) map[string]state.Pace {
	if in == nil {
		return nil
	}
	out := map[string]state.Pace{}
	for name, p := range in {
		out[name] = state.Pace(p)
	}
	return out
}

// Handovers says whose posts a person may make by hand, by target or account.
func Handovers(scopes []string) map[string]bool {
	out := map[string]bool{}
	for _, s := range scopes {
		out[s] = true
	}
	return out
}
