package appserver

import (
	"context"
	"strconv"

	"github.com/vodlift/vodlift/shared/appserver/catalogue"
)

// maxMusicPage is the seed's bound of both pageNo and pageSize.
const maxMusicPage = 50

type musicData struct {
	MusicList []catalogue.Music `json:"musicList"`
	Total     string            `json:"total"`
}

func (a *API) getRecommendMusic(ctx context.Context, who *caller) (any, error) {
	page, size := who.in.page("pageNo", maxMusicPage), who.in.page("pageSize", maxMusicPage)
	if who.in.err != nil {
		return nil, who.in.err
	}
	list, total, err := a.p.Catalogue.Music(ctx, int(page), int(size))
	if err != nil {
		return nil, err
	}
	return musicData{MusicList: some(list), Total: strconv.Itoa(total)}, nil
}

func (a *API) getPlayPath(ctx context.Context, who *caller) (any, error) {
	id := who.in.must("musicId", maxID)
	if who.in.err != nil {
		return nil, who.in.err
	}
	return whole(a.p.Catalogue.PlayPath(ctx, id))
}

func (a *API) getPasterInfo(ctx context.Context, _ *caller) (any, error) {
	return array(a.p.Catalogue.Pasters(ctx))
}

func (a *API) getPasterList(ctx context.Context, who *caller) (any, error) {
	id, kind := who.in.must("pasterId", maxID), who.in.oneOf("type", "", "1", "2")
	if who.in.err != nil {
		return nil, who.in.err
	}
	n, err := strconv.Atoi(kind)
	if err != nil {
		return nil, refuse(codeParameter, "type: 1 or 2")
	}
	return array(a.p.Catalogue.PasterList(ctx, id, n))
}

func (a *API) getFrontPasterList(ctx context.Context, _ *caller) (any, error) {
	return array(a.p.Catalogue.FrontPasters(ctx))
}

func (a *API) getTextPaster(ctx context.Context, _ *caller) (any, error) {
	return array(a.p.Catalogue.TextPasters(ctx))
}

func (a *API) getTextPasterList(ctx context.Context, who *caller) (any, error) {
	id := who.in.must("textPasterId", maxID)
	if who.in.err != nil {
		return nil, who.in.err
	}
	return array(a.p.Catalogue.TextPasterList(ctx, id))
}

func (a *API) getMv(ctx context.Context, _ *caller) (any, error) {
	return array(a.p.Catalogue.MVs(ctx))
}

// getFont answers one font as an object, and without a fontId all of them as an array (reference c.2).
func (a *API) getFont(ctx context.Context, who *caller) (any, error) {
	id := who.in.text("fontId", maxID)
	if who.in.err != nil {
		return nil, who.in.err
	}
	if id == "" {
		return array(a.p.Catalogue.Fonts(ctx))
	}
	return whole(a.p.Catalogue.Font(ctx, id))
}

// some is list, but never null.
func some[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func array[T any](list []T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return some(list), nil
}

func whole[T any](v T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}
