// Package catalogue keeps what the apps offer to decorate a video with: music, stickers, text stickers, MVs and fonts
// (reference alibaba-vod-and-oss c.2).
//
// The catalogue is a file that an operator imports (docs/catalogue.md). A version of it is written whole beside the old
// one, and then one row is turned to it: readers see the old catalogue or the new, never a mixture. It knows the table and
// an interface that signs addresses; it does not know HTTP, S3 or users.
//
// Rows: CAT CURRENT (which version), CAT VER#id (a version that exists), CAT#id kind#0001 (its entries, many to a row).
package catalogue

import (
	"context"
	"errors"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
)

var (
	// ErrNotFound: no such music, group of stickers or font.
	ErrNotFound = errors.New("it is not in the catalogue")
	// ErrOvertaken: another import was done while this one was being written. Nothing was changed by this one.
	ErrOvertaken = errors.New("another import was faster; look at the catalogue, then import again")
)

// Music is one entry of getRecommendMusic's musicList.
type Music struct {
	MusicID    string `json:"musicId"`
	Title      string `json:"title"`
	ArtistName string `json:"artistName"`
	Duration   string `json:"duration"` // whole seconds
	Source     string `json:"source"`
}

// PlayPath is the data of getPlayPath.
type PlayPath struct {
	PlayPath   string `json:"playPath"`   // a signed URL: no log may hold it
	ExpireTime string `json:"expireTime"` // Unix seconds
}

// String shows no signature.
func (p PlayPath) String() string { return "playPath(until " + p.ExpireTime + ")" }

// GoString shows no signature.
func (p PlayPath) GoString() string { return p.String() }

// PasterGroup is one entry of getPasterInfo.
type PasterGroup struct {
	ID          int64  `json:"id"`
	Icon        string `json:"icon"`
	Description string `json:"description"`
	Name        string `json:"name"`
	Level       int64  `json:"level"`
	Preview     string `json:"preview"`
	Sort        int64  `json:"sort"`
	Type        int64  `json:"type"`
	CreateTime  string `json:"createTime"`
}

// Paster is one entry of getPasterList. Type 0 is shown in front and behind, 1 in front, 2 behind.
type Paster struct {
	ID         int64  `json:"id"`
	Icon       string `json:"icon"`
	URL        string `json:"url"`
	Preview    string `json:"preview"`
	Name       string `json:"name"`
	Sort       int64  `json:"sort"`
	Type       int64  `json:"type"`
	FontID     int64  `json:"fontId"`
	CreateTime string `json:"createTime"`
}

// FrontPaster is one entry of getFrontPasterList.
type FrontPaster struct {
	ID         int64  `json:"id"`
	Icon       string `json:"icon"`
	MediaID    int64  `json:"mediaId"`
	URL        string `json:"url"`
	Preview    string `json:"preview"`
	Name       string `json:"name"`
	Duration   int64  `json:"duration"`
	Desc       string `json:"desc"`
	Sort       int64  `json:"sort"`
	Aspect     int64  `json:"aspect"`
	Type       int64  `json:"type"`
	FontID     int64  `json:"fontId"`
	CreateTime string `json:"createTime"`
}

// TextGroup is one entry of getTextPaster; it has no level.
type TextGroup struct {
	ID          int64  `json:"id"`
	Icon        string `json:"icon"`
	Description string `json:"description"`
	Name        string `json:"name"`
	Preview     string `json:"preview"`
	Sort        int64  `json:"sort"`
	Type        int64  `json:"type"`
	CreateTime  string `json:"createTime"`
}

// TextPaster is one entry of getTextPasterList; it has no aspect.
type TextPaster struct {
	ID         int64  `json:"id"`
	Icon       string `json:"icon"`
	MediaID    int64  `json:"mediaId"`
	URL        string `json:"url"`
	Preview    string `json:"preview"`
	Name       string `json:"name"`
	Duration   int64  `json:"duration"`
	Desc       string `json:"desc"`
	Sort       int64  `json:"sort"`
	Type       int64  `json:"type"`
	FontID     int64  `json:"fontId"`
	CreateTime string `json:"createTime"`
}

// Aspect is one form of an MV. The seed's table writes 1:1, 4:3 and 16:9, its example 1, 2 and 3.
type Aspect struct {
	Aspect   int64  `json:"aspect"`
	Download string `json:"download"`
}

// MV is one entry of getMv.
type MV struct {
	ID         int64    `json:"id"`
	PreviewPic string   `json:"previewPic"`
	PreviewMp4 string   `json:"previewMp4"`
	Icon       string   `json:"icon"`
	Duration   int64    `json:"duration"`
	Name       string   `json:"name"`
	Sort       int64    `json:"sort"`
	CreateTime string   `json:"createTime"`
	AspectList []Aspect `json:"aspectList"`
}

// Font is the data of getFont.
type Font struct {
	ID     int64  `json:"id"`
	Name   string `json:"name"`
	Banner string `json:"banner"`
	Icon   string `json:"icon"`
	URL    string `json:"url"`
	Sort   int64  `json:"sort"`
}

// Signer makes short-lived addresses of objects in the bucket where the catalogue's files are. Safe for concurrent use.
type Signer interface {
	// SignGet gives a URL that reads the object until expires, which may be earlier than life allows.
	SignGet(ctx context.Context, key string, life time.Duration) (url string, expires time.Time, err error)
}

// Counts tells how much of each kind there is.
type Counts struct {
	Music        int `json:"music"`
	PasterGroups int `json:"pasterGroups"`
	Pasters      int `json:"pasters"`
	FrontPasters int `json:"frontPasters"`
	TextGroups   int `json:"textGroups"`
	TextPasters  int `json:"textPasters"`
	MVs          int `json:"mvs"`
	Fonts        int `json:"fonts"`
}

// Report is what an import did, and the answer of POST /api/catalogue.
type Report struct {
	Version   string    `json:"version"` // "" = there never was one
	Imported  time.Time `json:"imported,omitzero"`
	Unchanged bool      `json:"unchanged,omitempty"` // the file is what is there already
	Counts    Counts    `json:"counts"`
	Note      string    `json:"note,omitempty"`
}

func missing(op, what string) error {
	return &fault.Error{Kind: fault.Invalid, Op: op, Effect: fault.EffectNone, Actor: fault.ActorOwner, Field: what, Err: ErrNotFound}
}
