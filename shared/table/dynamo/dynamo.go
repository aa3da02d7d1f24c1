// Package dynamo is the table engine on AWS: one DynamoDB table, conditional writes, TransactWriteItems. It knows
// table.Table and the DynamoDB API (2012-08-10); it does not know what is stored, and it makes no AWS configuration.
//
// Facts that callers may rely on:
//
//   - It sends each request once. The client must not retry by itself (see NewClient); should anything below it send a
//     request twice, the write id (Put, Add) or the client request token (Transact) makes both one.
//   - A write on version n makes n+1. A new item, and a Put without condition, begins at a number made of the time and
//     chance, so that a version from before a delete never fits again.
//   - A Transact with a token writes one record more, which expires after table.TokenLife: DynamoDB's own token
//     compares whole requests, and ours hold the time and a write id.
//   - Expired items are hidden at once: by a filter in reads and by the conditions of writes. TTL deletes them later.
//
// IAM actions on the table: GetItem, Query, PutItem, UpdateItem, DeleteItem, ConditionCheckItem; on its indexes: Query.
package dynamo

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// Options are what a DB may be told; nil means the defaults.
type Options struct {
	// Now is the clock that decides about expiry. Default time.Now.
	Now func() time.Time
	// Rand gives write ids; it must not repeat from one client to the next. Default crypto/rand.
	Rand io.Reader
	// Major is the newest item layout to read and write. Default table.Major.
	Major int
}

// DB is a table.Table over one DynamoDB table. It is safe for concurrent use.
type DB struct {
	client *dynamodb.Client
	name   string
	o      Options

	mu    sync.Mutex // guards stats and o.Rand
	stats table.Stats
}

var _ table.Table = (*DB)(nil)

// New makes the engine over the table of that name; client comes from NewClient.
func New(client *dynamodb.Client, name string, o *Options) *DB {
	d := &DB{client: client, name: name}
	if o != nil {
		d.o = *o
	}
	if d.o.Now == nil {
		d.o.Now = time.Now
	}
	if d.o.Rand == nil {
		d.o.Rand = rand.Reader
	}
	if d.o.Major == 0 {
		d.o.Major = table.Major
	}
	return d
}

// Stats gives what this client was asked since it was made, and the capacity that DynamoDB said it took.
func (d *DB) Stats() table.Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stats
}

func (d *DB) count(write bool, used ...types.ConsumedCapacity) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var units float64
	for _, u := range used {
		units += aws.ToFloat64(u.CapacityUnits)
	}
	if write {
		d.stats.Writes++
		d.stats.WriteUnits += units
	} else {
		d.stats.Reads++
		d.stats.ReadUnits += units
	}
}

func (d *DB) countOne(write bool, used *types.ConsumedCapacity) {
	if used == nil {
		d.count(write)
		return
	}
	d.count(write, *used)
}

// call is what one call carries through its requests.
type call struct {
	d       *DB
	op      string
	now     int64
	wid     string // write id, and client request token of a transaction (at most 36 characters)
	version int64  // of an item that begins now
}

func (d *DB) newCall(ctx context.Context, op string) (*call, error) {
	if err := ctx.Err(); err != nil {
		return nil, &fault.Error{Kind: fault.Retryable, Op: op, Effect: fault.EffectNone, Err: err}
	}
	var b [16]byte
	d.mu.Lock()
	_, err := io.ReadFull(d.o.Rand, b[:])
	d.mu.Unlock()
	if err != nil {
		return nil, &fault.Error{Kind: fault.Retryable, Op: op, Effect: fault.EffectNone, Err: fmt.Errorf("random source: %w", err)}
	}
	now := d.o.Now()
	// 20 bits of chance behind the milliseconds: two beginnings of one key in one millisecond differ too.
	version := max(0, now.UnixMilli())<<20 | int64(binary.BigEndian.Uint32(b[12:])&(1<<20-1)) | 1
	return &call{d: d, op: op, now: now.Unix(), wid: hex.EncodeToString(b[:]), version: version}, nil
}
