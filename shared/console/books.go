package console

import (
	"context"
	"io"
	"net/http"

	"github.com/vodlift/vodlift/shared/appserver/catalogue"
	"github.com/vodlift/vodlift/shared/fault"
)

// Catalogue is what the apps are shown of music, stickers, MVs and fonts; *catalogue.Store is one.
type Catalogue interface {
	Import(ctx context.Context, r io.Reader) (catalogue.Report, error)
	Current(ctx context.Context) (catalogue.Report, error)
}

// bookRoutes adds what concerns whole collections: the account of every object in the buckets, and the catalogue.
func (c *Console) bookRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /api/reconcile", c.answer(func(r *http.Request) (any, error) { return c.Account(r.Context()) }))
	mux.HandleFunc("GET /api/catalogue", c.answer(func(r *http.Request) (any, error) {
		if c.Catalogue == nil {
			return nil, noCatalogue()
		}
		return c.Catalogue.Current(r.Context())
	}))
	mux.HandleFunc("POST /api/catalogue", c.answer(func(r *http.Request) (any, error) {
		if c.Catalogue == nil {
			return nil, noCatalogue()
		}
		return c.Catalogue.Import(r.Context(), r.Body)
	}))
}

func noCatalogue() error {
	return fault.New(fault.Invalid, "console.catalogue", "there is no AppServer here, so there is no catalogue")
}
