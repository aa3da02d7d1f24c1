package table_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/table/sqlite"
)

// A whole life: create once, change at the version that was read, take from a pool and record it in one transaction.
func Example() {
	ctx := context.Background()
	db, err := sqlite.OpenMemory(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()

	key := table.Key{PK: "U#42", SK: "META"}
	version, err := db.Put(ctx, table.Item{Key: key, Doc: []byte(`{"status":"WAITING"}`)}, table.Absent)
	fmt.Println("created:", err == nil)
	_, err = db.Put(ctx, table.Item{Key: key}, table.Absent)
	fmt.Println("created twice:", !errors.Is(err, table.ErrConflict))

	pool := table.Key{PK: "POOL#global#0", SK: "-"}
	_, err = db.Add(ctx, table.Add{Key: pool, Field: "free", N: 8})
	fmt.Println("filled:", err == nil)

	grant := []table.Op{
		{Put: &table.Item{Key: key, Doc: []byte(`{"status":"UPLOADING","grant":5}`)}, If: version},
		{Add: &table.Add{Key: pool, Field: "free", N: -5, Floor: 0}},
	}
	fmt.Println("granted:", db.Transact(ctx, "grant 42-1", grant) == nil)
	fmt.Println("granted again, no second effect:", db.Transact(ctx, "grant 42-1", grant) == nil)
	item, err := db.Get(ctx, pool)
	fmt.Println("free:", item.N["free"], err)

	_, err = db.Add(ctx, table.Add{Key: pool, Field: "free", N: -4, Floor: 0})
	fmt.Println("four more:", !errors.Is(err, table.ErrFloor))
	// Output:
	// created: true
	// created twice: false
	// filled: true
	// granted: true
	// granted again, no second effect: true
	// free: 3 <nil>
	// four more: false
}
