package ranked_test

import (
	"context"
	"fmt"

	"github.com/vodlift/vodlift/shared/appserver/ranked"
	"github.com/vodlift/vodlift/shared/table/sqlite"
)

// A list of seven, read by page number, and then on from the last member of a page.
func Example() {
	ctx := context.Background()
	db, err := sqlite.OpenMemory(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	for n := int64(1); n <= 7; n++ {
		ops, err := ranked.Insert("videos", ranked.Entry{Number: n, ID: fmt.Sprint("v", n)})
		if err == nil {
			err = db.Transact(ctx, "", ops) // in earnest together with the record that says that it was inserted
		}
		if err != nil {
			fmt.Println(err)
		}
	}
	page, total, err := ranked.Page(ctx, db, "videos", 2, 2)
	fmt.Println(page, "of", total, err)
	rest, err := ranked.After(ctx, db, "videos", page[1].Number, 3)
	fmt.Println(rest, err)
	// Output:
	// [{5 v5} {4 v4}] of 7 <nil>
	// [{3 v3} {2 v2} {1 v1}] <nil>
}
