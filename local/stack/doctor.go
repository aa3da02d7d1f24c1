package stack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	fakedouyin "github.com/vodlift/vodlift/local/fake/douyin"
	"github.com/vodlift/vodlift/shared/console"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/upload"
)

// place is where the operators' console stands on one machine.
func (s *Stack) place() console.Place {
	return console.Place{
		Info: func(ctx context.Context) (any, error) {
			i, err := s.Console.State(ctx)
			return Info{s.Running, i.Accounts, i.Free, i.Slots, i.Paused}, err
		},
		SentNow: s.SentNow,
		Redirect: func(_ context.Context, platform string) string {
			if s.Identity.Kind == Demo && platform == "douyin" {
				return fakedouyin.DefaultRedirect
			}
			return ""
		},
		Checks: func(context.Context) []console.Check { return append(s.checkFolder(), s.checkSettings()...) },
		Routes: s.folder.path(settingsFile) + " and start vodlift again",
		Inbox:  Inbox, Region: region, Kind: string(s.Identity.Kind),
	}
}

// Info is what GET /api/info answers on one machine.
type Info struct {
	Running
	Accounts []upload.Account `json:"accounts"`
	Free     int64            `json:"free_slots"`
	Slots    int64            `json:"slots"`
	Paused   []string         `json:"paused"`
}

// checkFolder: what is in the data folder is nobody else's.
func (s *Stack) checkFolder() []console.Check {
	out := []console.Check{}
	for _, name := range []string{".", identityFile, "seal.key"} {
		i, err := os.Stat(s.folder.path(name))
		switch {
		case err != nil:
			out = append(out, console.Turn("data folder", fault.ActorOperator, fmt.Sprintf("%s cannot be looked at", name), "look at the folder "+s.folder.dir))
		case i.Mode().Perm()&0o077 != 0:
			mode := "600"
			if i.IsDir() {
				mode = "700"
			}
			out = append(out, console.Turn("data folder", fault.ActorOperator, fmt.Sprintf("others may read %s (mode %04o)", s.folder.path(name), i.Mode().Perm()), "chmod "+mode+" "+s.folder.path(name)))
		}
	}
	if len(out) == 0 {
		out = append(out, console.Check{What: "data folder", State: console.CheckOK, Text: s.folder.dir + " is its owner's only"})
	}
	return out
}

// checkSettings reads config.json again: it may have been changed since the start.
func (s *Stack) checkSettings() []console.Check {
	var out []console.Check
	if s.Identity.Kind == Real {
		_, err := s.settings()
		if err != nil {
			return []console.Check{console.Turn("config.json", fault.ActorOperator, "it cannot be used: "+err.Error(), "mend it; vodlift would not start again with it")}
		}
	}
	return out
}

// settings are config.json as it is now; the zero Settings where there is none.
func (s *Stack) settings() (Settings, error) {
	var set Settings
	if err := readJSON(s.folder.path(settingsFile), &set); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Settings{}, err
	}
	if len(set.Routes) > 0 {
		if _, err := manifest.ParseRoutes(set.Routes, manifest.KnownTargets()); err != nil {
			return Settings{}, err
		}
	}
	return set, errors.Join(set.Douyin.Check(), set.Youku.Check())
}
