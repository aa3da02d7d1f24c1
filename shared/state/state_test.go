package state_test

import (
	"testing"

	"github.com/vodlift/vodlift/shared/state/statetest"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/table/dynamo/dynamotest"
	"github.com/vodlift/vodlift/shared/table/sqlite"
)

func TestRulesOverSQLite(t *testing.T) {
	statetest.Run(t, func(t testing.TB) table.Table {
		db, err := sqlite.OpenMemory(nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		return db
	})
}

// TestRulesOverDynamoDB runs where conformance/run.sh has started DynamoDB Local.
func TestRulesOverDynamoDB(t *testing.T) {
	dynamotest.Endpoint(t)
	statetest.Run(t, func(t testing.TB) table.Table { return dynamotest.NewTable(t, nil)(nil) })
}
