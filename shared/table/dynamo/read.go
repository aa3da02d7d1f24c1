package dynamo

import (
	"context"
	"math"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// unreadable is the error of an item that no version of this program wrote.
func unreadable(op string, err error) error {
	return &fault.Error{Kind: fault.Permanent, Op: op, Effect: fault.EffectNone, Actor: fault.ActorOperator, Err: err}
}

// Get implements table.Table.
func (d *DB) Get(ctx context.Context, k table.Key) (table.Item, error) {
	const op = "dynamo.Get"
	if err := table.CheckKey(op, k); err != nil {
		return table.Item{}, err
	}
	out, err := d.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &d.name, Key: keyOf(k), ConsistentRead: aws.Bool(true),
		ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal})
	if err != nil {
		d.count(false)
		return table.Item{}, classify(op, err, false)
	}
	d.countOne(false, out.ConsumedCapacity)
	if !live(out.Item, d.o.Now().Unix()) {
		return table.Item{}, table.NotFound(op, k)
	}
	if tooNew(out.Item, d.o.Major) {
		return table.Item{}, table.TooNew(op, k)
	}
	it, err := decode(out.Item)
	if err != nil {
		return table.Item{}, unreadable(op, err)
	}
	return it, nil
}

// Query implements table.Table. It asks as often as it takes to fill a page: expired items are filtered after DynamoDB
// counted them. One item more than the limit tells whether anything follows.
func (d *DB) Query(ctx context.Context, q table.Query) (items []table.Item, next string, err error) {
	const op = "dynamo.Query"
	if err := table.CheckQuery(op, q); err != nil {
		return nil, "", err
	}
	after, err := table.PageStart(op, q)
	if err != nil {
		return nil, "", err
	}
	if q.From != "" && q.To != "" && q.From > q.To {
		return nil, "", nil // DynamoDB would call it an error
	}
	in := d.queryInput(q, after)
	for size := 0; ; {
		if q.Limit > 0 {
			in.Limit = aws.Int32(int32(min(int64(q.Limit)+1-int64(len(items)), math.MaxInt32)))
		}
		out, err := d.client.Query(ctx, in)
		if err != nil {
			d.count(false)
			return nil, "", classify(op, err, false)
		}
		d.countOne(false, out.ConsumedCapacity)
		for _, a := range out.Items {
			k := table.Key{PK: text(a[AttrPK]), SK: text(a[AttrSK])}
			if tooNew(a, d.o.Major) {
				return nil, "", table.TooNew(op, k)
			}
			it, err := decode(a)
			if err != nil {
				return nil, "", unreadable(op, err)
			}
			n := table.ItemBytes(it)
			if len(items) > 0 && (size+n > table.MaxPageBytes || q.Limit > 0 && len(items) == q.Limit) {
				return items, table.PageAfter(q, items[len(items)-1].SK), nil
			}
			items, size = append(items, it), size+n
		}
		if len(out.LastEvaluatedKey) == 0 {
			return items, "", nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

func (d *DB) queryInput(q table.Query, after string) *dynamodb.QueryInput {
	c := &call{d: d, now: d.o.Now().Unix()}
	e := c.expr()
	cond := e.n(AttrPK) + " = " + e.v("pk", str(q.PK))
	if q.Prefix != "" {
		cond += " AND begins_with(" + e.n(AttrSK) + ", " + e.v("prefix", str(q.Prefix)) + ")"
	}
	cond += e.between(AttrSK, q.From, q.To)
	filter := e.notExpired()
	in := &dynamodb.QueryInput{TableName: &d.name, ConsistentRead: aws.Bool(true), KeyConditionExpression: &cond, FilterExpression: &filter,
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values, ScanIndexForward: aws.Bool(!q.Desc),
		ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal}
	if after != "" {
		in.ExclusiveStartKey = keyOf(table.Key{PK: q.PK, SK: after})
	}
	return in
}

// between is the key condition of a range; either end may be open.
func (e *expr) between(attr, from, to string) string {
	switch {
	case from != "" && to != "":
		return " AND " + e.n(attr) + " BETWEEN " + e.v("from", str(from)) + " AND " + e.v("to", str(to))
	case from != "":
		return " AND " + e.n(attr) + " >= " + e.v("from", str(from))
	case to != "":
		return " AND " + e.n(attr) + " <= " + e.v("to", str(to))
	}
	return ""
}

// QueryIndex implements table.Table. Hits with equal places come in an order that DynamoDB keeps to but does not name.
func (d *DB) QueryIndex(ctx context.Context, q table.IndexQuery) (hits []table.Hit, next string, err error) {
	const op = "dynamo.QueryIndex"
	if err := table.CheckIndexQuery(op, q); err != nil {
		return nil, "", err
	}
	after, paged, err := table.IndexPageStart(op, q)
	if err != nil {
		return nil, "", err
	}
	if q.From != "" && q.To != "" && q.From > q.To {
		return nil, "", nil
	}
	limit := q.Limit
	if limit == 0 {
		limit = 100
	}
	x := indexSchema(q.Index)
	e := (&call{d: d}).expr()
	cond := e.n(x.PK) + " = " + e.v("pk", str(q.PK)) + e.between(x.SK, q.From, q.To)
	in := &dynamodb.QueryInput{TableName: &d.name, IndexName: aws.String(string(q.Index)), KeyConditionExpression: &cond,
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values, ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal}
	if paged {
		in.ExclusiveStartKey = keyOf(after.Key)
		in.ExclusiveStartKey[x.PK], in.ExclusiveStartKey[x.SK] = str(q.PK), str(after.Place)
	}
	for {
		in.Limit = aws.Int32(int32(min(int64(limit)+1-int64(len(hits)), math.MaxInt32)))
		out, err := d.client.Query(ctx, in)
		if err != nil {
			d.count(false)
			return nil, "", classify(op, err, false)
		}
		d.countOne(false, out.ConsumedCapacity)
		for _, a := range out.Items {
			if len(hits) == limit {
				return hits, table.IndexPageAfter(q, hits[limit-1]), nil
			}
			hits = append(hits, table.Hit{Key: table.Key{PK: text(a[AttrPK]), SK: text(a[AttrSK])}, Place: text(a[x.SK])})
		}
		if len(out.LastEvaluatedKey) == 0 {
			return hits, "", nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}
