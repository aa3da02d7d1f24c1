package catalogue_test

import (
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/appserver/catalogue"
	"github.com/vodlift/vodlift/shared/table/dynamo/dynamotest"
)

// TestAnImportOverDynamoDB runs where conformance/run.sh has started DynamoDB Local.
func TestAnImportOverDynamoDB(t *testing.T) {
	dynamotest.Endpoint(t)
	c := newClock()
	c.at.Store(time.Now().UnixNano()) // the engine ends rows by its own clock
	r := over(t, dynamotest.NewTable(t, nil)(nil), c)
	old := r.load(t, tracks(900, "old"))
	r.load(t, string(catalogue.Sample()))
	if _, n, err := r.Music(t.Context(), 1, 50); n != 3 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	if all, endless := r.rowsOf(t, old.Version); all < 2 || endless != 0 {
		t.Errorf("old version: %d rows, %d of them endless", all, endless)
	}
}
