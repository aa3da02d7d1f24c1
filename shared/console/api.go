package console

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/workflow"
)

// Live is an upload's view with the bytes that are under way.
type Live struct {
	workflow.View
	SentNow int64 `json:"sent_now"` // handed to the platform since the process started, repeats included
}

// LivePublication is a publication's view with live uploads.
type LivePublication struct {
	state.Publication
	Views []Live `json:"views"`
}

// Resolution is the body of POST /api/uploads/{id}/resolve: exactly one of the two.
type Resolution struct {
	Published    string `json:"published,omitempty"`
	PublishAgain bool   `json:"publish_again,omitempty"`
}

// PauseRequest is the body of POST /api/pause.
type PauseRequest struct {
	Scope string `json:"scope"` // global, a target, or an account
	On    bool   `json:"on"`
}

// Handler is the operators' JSON API: the same verbs as the command line.
func (c *Console) Handler() http.Handler { return c.routes() }

func (c *Console) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/info", c.answer(func(r *http.Request) (any, error) {
		return c.Place.Info(r.Context())
	}))
	mux.HandleFunc("GET /api/publications", c.answer(func(r *http.Request) (any, error) {
		days, err := strconv.Atoi(orDefault(r.URL.Query().Get("days"), "7"))
		if err != nil || days < 0 || days > 366 {
			return nil, fault.InvalidField("console.api", "days", "0 to 366", "not a number of days")
		}
		ps, err := c.Recent(r.Context(), days, 500)
		out := make([]LivePublication, 0, len(ps))
		for _, p := range ps {
			out = append(out, c.live(p))
		}
		return out, err
	}))
	mux.HandleFunc("GET /api/publications/{id}", c.answer(func(r *http.Request) (any, error) {
		return c.view(r, c.ViewPublication)
	}))
	mux.HandleFunc("GET /api/uploads/{id}", c.answer(func(r *http.Request) (any, error) {
		return c.view(r, c.ViewByUpload)
	}))
	mux.HandleFunc("GET /api/objects", c.answer(func(r *http.Request) (any, error) {
		id, err := c.Ledger.ByObject(r.Context(), r.URL.Query().Get("bucket"), r.URL.Query().Get("key"))
		if err == nil && id == "" {
			err = fault.Newf(fault.Invalid, "console.api", "no publication of this object: %w", table.ErrNotFound)
		}
		if err != nil {
			return nil, err
		}
		p, err := c.ViewPublication(r.Context(), id, false)
		return c.live(p), err
	}))
	mux.HandleFunc("GET /api/held", c.answer(func(r *http.Request) (any, error) {
		us, err := c.HeldUploads(r.Context(), 500)
		if us == nil {
			us = []state.Upload{}
		}
		return us, err
	}))
	mux.HandleFunc("POST /api/uploads/{id}/cancel", c.answer(func(r *http.Request) (any, error) {
		return c.Cancel(r.Context(), r.PathValue("id"))
	}))
	mux.HandleFunc("POST /api/uploads/{id}/retry", c.answer(func(r *http.Request) (any, error) {
		return c.Retry(r.Context(), r.PathValue("id"))
	}))
	mux.HandleFunc("POST /api/uploads/{id}/resolve", c.answer(c.resolve))
	mux.HandleFunc("POST /api/uploads/{id}/link", c.answer(c.link))
	mux.HandleFunc("POST /api/check", c.answer(c.check))
	mux.HandleFunc("POST /api/pause", c.answer(c.pause))
	c.operatorRoutes(mux)
	c.bookRoutes(mux)
	c.eraseRoutes(mux)
	return mux
}

func orDefault(s, d string) string {
	if s == "" {
		return d
	}
	return s
}

func (c *Console) resolve(r *http.Request) (any, error) {
	var b Resolution
	if err := body(r, &b); err != nil {
		return nil, err
	}
	switch {
	case b.Published != "" && !b.PublishAgain:
		return c.ResolvePublished(r.Context(), r.PathValue("id"), b.Published)
	case b.Published == "" && b.PublishAgain:
		return c.ResolvePublishAgain(r.Context(), r.PathValue("id"))
	}
	return nil, fault.InvalidField("console.api", "published", "exactly one of published and publish_again", "say which post it is, or that it is to be published again")
}

// HandoverLink is what a person opens on the phone to publish an upload that is HELD(hand-over). The link is a secret of the
// account: who has it publishes as the account's user.
type HandoverLink struct {
	Link    string    `json:"link"`
	Expires time.Time `json:"expires"`
}

// String shows no link.
func (h HandoverLink) String() string { return "link until " + h.Expires.UTC().Format(time.RFC3339) }

// GoString shows no link.
func (h HandoverLink) GoString() string { return h.String() }

// LogValue shows no link.
func (h HandoverLink) LogValue() slog.Value { return slog.StringValue(h.String()) }

// link is a POST: it may make a new one, and whoever only looks on must not get it.
func (c *Console) link(r *http.Request) (any, error) {
	h, err := c.HandoverLink(r.Context(), r.PathValue("id"))
	return HandoverLink{Link: h.Link, Expires: h.Expires}, err
}

func (c *Console) view(r *http.Request, read func(ctx context.Context, id string, timeline bool) (workflow.PublicationView, error)) (any, error) {
	p, err := read(r.Context(), r.PathValue("id"), r.URL.Query().Get("timeline") != "")
	return c.live(p), err
}

func (c *Console) live(p workflow.PublicationView) LivePublication {
	out := LivePublication{Publication: p.Publication, Views: make([]Live, 0, len(p.Views))}
	for _, v := range p.Views {
		out.Views = append(out.Views, Live{View: v, SentNow: c.Place.SentNow(v.ID)})
	}
	return out
}

func body(r *http.Request, v any) error {
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 64<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fault.InvalidField("console.api", "body", "a JSON object of known fields", err.Error())
	}
	return nil
}

// answer writes what fn gives as JSON, or its fault with the status that it means.
func (c *Console) answer(fn func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := fn(r)
		status := http.StatusOK
		if err != nil {
			status = handler.StatusOf(err)
			if errors.Is(err, table.ErrNotFound) {
				status = http.StatusNotFound
			} else if errors.Is(err, state.ErrRefused) {
				status = http.StatusConflict
			} else if errors.Is(err, errScope) {
				status = http.StatusForbidden
			}
			var e handler.ErrorBody
			e.Error.Kind, e.Error.Message = fault.KindOf(err).String(), handler.Redact(err.Error(), 2000)
			if f := fault.As(err); f != nil {
				e.Error.Field, e.Error.Rule = f.Field, f.Rule
			}
			v = e
		}
		b, merr := json.Marshal(v)
		if merr != nil {
			status, b = http.StatusInternalServerError, []byte(`{"error":{"kind":"Unknown","message":"the answer cannot be written"}}`)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		w.Write(append(b, '\n'))
	}
}
