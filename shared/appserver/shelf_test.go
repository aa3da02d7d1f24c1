package appserver_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/shared/appserver"
	"github.com/vodlift/vodlift/shared/appserver/catalogue"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/vod"
)

// shelf is a catalogue of the seed's examples.
type shelf struct{ examples map[string]example }

var (
	_ appserver.Catalogue = (*shelf)(nil)
	_ appserver.VOD       = vod.API(nil)
)

func newShelf(t testing.TB) *shelf { return &shelf{examples: examples(t)} }

func on[T any](s *shelf, call string) (T, error) {
	var e struct {
		Data T `json:"data"`
	}
	err := json.Unmarshal(s.examples[call].Response, &e)
	return e.Data, err
}

func (s *shelf) Music(_ context.Context, page, size int) ([]catalogue.Music, int, error) {
	d, err := on[struct {
		MusicList []catalogue.Music `json:"musicList"`
	}](s, "/music/getRecommendMusic")
	from := min((page-1)*size, len(d.MusicList))
	return d.MusicList[from:min(from+size, len(d.MusicList))], len(d.MusicList), err
}

func known(id string, ids ...string) error {
	if strings.Contains(" "+strings.Join(ids, " ")+" ", " "+id+" ") {
		return nil
	}
	return fault.Wrap("shelf", &fault.Error{Kind: fault.Invalid, Err: catalogue.ErrNotFound})
}

func (s *shelf) PlayPath(_ context.Context, id string) (catalogue.PlayPath, error) {
	if err := known(id, "T10033153675"); err != nil {
		return catalogue.PlayPath{}, err
	}
	return on[catalogue.PlayPath](s, "/music/getPlayPath")
}

func (s *shelf) Pasters(context.Context) ([]catalogue.PasterGroup, error) {
	return on[[]catalogue.PasterGroup](s, "/resource/getPasterInfo")
}

func (s *shelf) PasterList(_ context.Context, id string, _ int) ([]catalogue.Paster, error) {
	if err := known(id, "84"); err != nil {
		return nil, err
	}
	return on[[]catalogue.Paster](s, "/resource/getPasterList")
}

func (s *shelf) FrontPasters(context.Context) ([]catalogue.FrontPaster, error) {
	return on[[]catalogue.FrontPaster](s, "/resource/getFrontPasterList")
}

func (s *shelf) TextPasters(context.Context) ([]catalogue.TextGroup, error) {
	return on[[]catalogue.TextGroup](s, "/resource/getTextPaster")
}

func (s *shelf) TextPasterList(_ context.Context, id string) ([]catalogue.TextPaster, error) {
	if err := known(id, "189"); err != nil {
		return nil, err
	}
	return on[[]catalogue.TextPaster](s, "/resource/getTextPasterList")
}

func (s *shelf) MVs(context.Context) ([]catalogue.MV, error) {
	return on[[]catalogue.MV](s, "/resource/getMv")
}

func (s *shelf) Fonts(ctx context.Context) ([]catalogue.Font, error) {
	f, err := s.Font(ctx, "52")
	return []catalogue.Font{f}, err
}

func (s *shelf) Font(_ context.Context, id string) (catalogue.Font, error) {
	if err := known(id, "52"); err != nil {
		return catalogue.Font{}, err
	}
	return on[catalogue.Font](s, "/resource/getFont")
}
