package stack

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/workflow"
)

// Info is what GET /api/info answers.
type Info struct {
	Running
	Accounts []upload.Account `json:"accounts"`
	Free     int64            `json:"free_slots"`
	Slots    int64            `json:"slots"`
}

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

// api is the operators' JSON API of one machine: the same verbs as the command line. The gateway's guard stands before
// it.
func (s *Stack) api() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/info", s.answer(func(r *http.Request) (any, error) {
		free, slots, err := s.Ledger.Pools(r.Context())
		return Info{Running: s.Running, Accounts: s.Accounts(), Free: free, Slots: slots}, err
	}))
	mux.HandleFunc("GET /api/publications", s.answer(func(r *http.Request) (any, error) {
		days, err := strconv.Atoi(orDefault(r.URL.Query().Get("days"), "7"))
		if err != nil || days < 0 || days > 366 {
			return nil, fault.InvalidField("stack.api", "days", "0 to 366", "not a number of days")
		}
		ps, err := s.Recent(r.Context(), days, 500)
		out := make([]LivePublication, 0, len(ps))
		for _, p := range ps {
			out = append(out, s.live(p))
		}
		return out, err
	}))
	mux.HandleFunc("GET /api/publications/{id}", s.answer(func(r *http.Request) (any, error) {
		return s.view(r, s.ViewPublication)
	}))
	mux.HandleFunc("GET /api/uploads/{id}", s.answer(func(r *http.Request) (any, error) {
		return s.view(r, s.ViewByUpload)
	}))
	mux.HandleFunc("GET /api/objects", s.answer(func(r *http.Request) (any, error) {
		id, err := s.Ledger.ByObject(r.Context(), r.URL.Query().Get("bucket"), r.URL.Query().Get("key"))
		if err == nil && id == "" {
			err = fault.Newf(fault.Invalid, "stack.api", "no publication of this object: %w", table.ErrNotFound)
		}
		if err != nil {
			return nil, err
		}
		p, err := s.ViewPublication(r.Context(), id, false)
		return s.live(p), err
	}))
	mux.HandleFunc("GET /api/held", s.answer(func(r *http.Request) (any, error) {
		us, err := s.HeldUploads(r.Context(), 500)
		if us == nil {
			us = []state.Upload{}
		}
		return us, err
	}))
	mux.HandleFunc("POST /api/uploads/{id}/cancel", s.answer(func(r *http.Request) (any, error) {
		return s.Cancel(r.Context(), r.PathValue("id"))
	}))
	mux.HandleFunc("POST /api/uploads/{id}/retry", s.answer(func(r *http.Request) (any, error) {
		return s.Retry(r.Context(), r.PathValue("id"))
	}))
	mux.HandleFunc("POST /api/uploads/{id}/resolve", s.answer(s.resolve))
	mux.HandleFunc("POST /api/check", s.answer(s.check))
	mux.HandleFunc("POST /api/pause", s.answer(s.pause))
	s.operatorRoutes(mux)
	return mux
}

func orDefault(s, d string) string {
	if s == "" {
		return d
	}
	return s
}

func (s *Stack) resolve(r *http.Request) (any, error) {
	var b Resolution
	if err := body(r, &b); err != nil {
		return nil, err
	}
	switch {
	case b.Published != "" && !b.PublishAgain:
		return s.ResolvePublished(r.Context(), r.PathValue("id"), b.Published)
	case b.Published == "" && b.PublishAgain:
		return s.ResolvePublishAgain(r.Context(), r.PathValue("id"))
	}
	return nil, fault.InvalidField("stack.api", "published", "exactly one of published and publish_again", "say which post it is, or that it is to be published again")
}

func (s *Stack) view(r *http.Request, read func(ctx context.Context, id string, timeline bool) (workflow.PublicationView, error)) (any, error) {
	p, err := read(r.Context(), r.PathValue("id"), r.URL.Query().Get("timeline") != "")
	return s.live(p), err
}

func (s *Stack) live(p workflow.PublicationView) LivePublication {
	out := LivePublication{Publication: p.Publication, Views: make([]Live, 0, len(p.Views))}
	for _, v := range p.Views {
		out.Views = append(out.Views, Live{View: v, SentNow: s.SentNow(v.ID)})
	}
	return out
}

func body(r *http.Request, v any) error {
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 64<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fault.InvalidField("stack.api", "body", "a JSON object of known fields", err.Error())
	}
	return nil
}

// answer writes what fn gives as JSON, or its fault with the status that it means.
func (s *Stack) answer(fn func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := fn(r)
		status := http.StatusOK
		if err != nil {
			status = handler.StatusOf(err)
			if errors.Is(err, table.ErrNotFound) {
				status = http.StatusNotFound
			} else if errors.Is(err, state.ErrRefused) {
				status = http.StatusConflict
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
