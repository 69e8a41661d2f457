#include "arena/vma_tree.h"

#include "base/bits.h"

typedef const struct qr_vma_node *tree;

static uint32_t height(tree t)
{
	return t ? t->height : 0;
}

/* Spans are of several protections, so they count more. */
static uint32_t weight(const struct qr_vma *vma)
{
	return vma->kind == QR_VMA_SPAN ? 4 : 1;
}

static bool plain_memory(const struct qr_vma *vma)
{
	return vma->kind == QR_VMA_LARGE || vma->kind == QR_VMA_META;
}

/* The kernel makes one mapping of the two. */
static bool kernel_merges(const struct qr_vma *low, const struct qr_vma *high)
{
	return low->end == high->start && plain_memory(low) &&
	       plain_memory(high);
}

static struct qr_vma *lowest(tree t)
{
	while (t->left)
		t = t->left;
	return t->vma;
}

static struct qr_vma *highest(tree t)
{
	while (t->right)
		t = t->right;
	return t->vma;
}

static void sum_up(struct qr_vma_node *node, tree left, struct qr_vma *vma,
		   tree right)
{
	node->left = left;
	node->right = right;
	node->vma = vma;
	node->height = (uint32_t)qr_max(height(left), height(right)) + 1;
	node->first = left ? left->first : vma->start;
	node->last = right ? right->last : vma->end;
	node->max_gap = 0;
	node->runs = weight(vma);
	if (left) {
		node->max_gap = qr_max(left->max_gap, vma->start - left->last);
		node->runs += left->runs - kernel_merges(highest(left), vma);
	}
	if (right) {
		node->max_gap =
			qr_max(node->max_gap,
			       qr_max(right->max_gap, right->first - vma->end));
		node->runs += right->runs - kernel_merges(vma, lowest(right));
	}
}

static tree build(struct qr_vma_pool *pool, tree left, struct qr_vma *vma,
		  tree right)
{
	struct qr_vma_node *node = pool->free;

	if (qr_unlikely(!node))
		__builtin_trap(); /* more than qr_vma_tree_need */
	pool->free = node->next;
	pool->nr_free--;
	sum_up(node, left, vma, right);
	return node;
}

/* A new version no longer has @t itself; its children live on. */
static void retire(struct qr_vma_pool *pool, tree t)
{
	/* the links of lists are the writers' own */
	struct qr_vma_node *node = (struct qr_vma_node *)(uintptr_t)t;

	node->next = pool->retired;
	pool->retired = node;
	pool->nr_retired++;
}

/* As build, but one side may be higher than the other by two. */
static tree balance(struct qr_vma_pool *pool, tree left, struct qr_vma *vma,
		    tree right)
{
	tree top, inner;

	if (height(left) > height(right) + 1) {
		inner = left->right;
		if (height(left->left) >= height(inner)) {
			top = build(pool, left->left, left->vma,
				    build(pool, inner, vma, right));
		} else {
			top = build(
				pool,
				build(pool, left->left, left->vma, inner->left),
				inner->vma,
				build(pool, inner->right, vma, right));
			retire(pool, inner);
		}
		retire(pool, left);
		return top;
	}
	if (height(right) > height(left) + 1) {
		inner = right->left;
		if (height(right->right) >= height(inner)) {
			top = build(pool, build(pool, left, vma, inner),
				    right->vma, right->right);
		} else {
			top = build(pool, build(pool, left, vma, inner->left),
				    inner->vma,
				    build(pool, inner->right, right->vma,
					  right->right));
			retire(pool, inner);
		}
		retire(pool, right);
		return top;
	}
	return build(pool, left, vma, right);
}

tree qr_vma_tree_insert(struct qr_vma_pool *pool, tree t, struct qr_vma *vma)
{
	tree top;

	if (!t)
		return build(pool, NULL, vma, NULL);
	if (vma->start < t->vma->start)
		top = balance(pool, qr_vma_tree_insert(pool, t->left, vma),
			      t->vma, t->right);
	else
		top = balance(pool, t->left, t->vma,
			      qr_vma_tree_insert(pool, t->right, vma));
	retire(pool, t);
	return top;
}

tree qr_vma_tree_remove(struct qr_vma_pool *pool, tree t, uintptr_t start)
{
	tree top;

	if (start < t->vma->start) {
		top = balance(pool, qr_vma_tree_remove(pool, t->left, start),
			      t->vma, t->right);
	} else if (start > t->vma->start) {
		top = balance(pool, t->left, t->vma,
			      qr_vma_tree_remove(pool, t->right, start));
	} else if (!t->left || !t->right) {
		top = t->left ? t->left : t->right;
	} else {
		struct qr_vma *next = lowest(t->right);

		top = balance(pool, t->left, next,
			      qr_vma_tree_remove(pool, t->right, next->start));
	}
	retire(pool, t);
	return top;
}

struct qr_vma *qr_vma_tree_from(tree t, uintptr_t addr)
{
	struct qr_vma *best = NULL;

	while (t) {
		if (t->vma->end > addr) {
			best = t->vma;
			t = t->left;
		} else {
			t = t->right;
		}
	}
	return best;
}

struct qr_vma *qr_vma_tree_before(tree t, uintptr_t addr)
{
	struct qr_vma *best = NULL;

	while (t) {
		if (t->vma->start < addr) {
			best = t->vma;
			t = t->right;
		} else {
			t = t->left;
		}
	}
	return best;
}

/* Where in the hole [@low, @high) the wish fits; 0: nowhere. */
static uintptr_t fit(const struct qr_vma_gap *wish, uintptr_t low,
		     uintptr_t high)
{
	low = qr_max(low, wish->low);
	high = qr_min(high, wish->high);
	if (high <= low || high - low < wish->size)
		return 0;
	if (!wish->lowest) {
		uintptr_t at = qr_round_down(high - wish->size, wish->align);

		return at >= low ? at : 0;
	}
	if (!qr_round_up_ok(low, wish->align))
		return 0;
	low = qr_round_up(low, wish->align);
	return low <= high - wish->size ? low : 0;
}

/* @t lies in [@low, @high), and nothing else does. */
static uintptr_t gap(tree t, const struct qr_vma_gap *wish, uintptr_t low,
		     uintptr_t high)
{
	uintptr_t at;

	if (high <= wish->low || low >= wish->high)
		return 0;
	if (!t)
		return fit(wish, low, high);
	if (t->max_gap < wish->size && t->first - low < wish->size &&
	    high - t->last < wish->size)
		return 0;
	if (wish->lowest) {
		at = gap(t->left, wish, low, t->vma->start);
		return at ? at : gap(t->right, wish, t->vma->end, high);
	}
	at = gap(t->right, wish, t->vma->end, high);
	return at ? at : gap(t->left, wish, low, t->vma->start);
}

uintptr_t qr_vma_tree_gap(tree t, const struct qr_vma_gap *wish)
{
	return gap(t, wish, 0, UINTPTR_MAX);
}

bool qr_vma_tree_check(tree t, size_t *ret_nr)
{
	struct qr_vma_node sum;
	size_t nr_left, nr_right;

	*ret_nr = 0;
	if (!t)
		return true;
	if (!qr_vma_tree_check(t->left, &nr_left) ||
	    !qr_vma_tree_check(t->right, &nr_right))
		return false;
	if (t->vma->start >= t->vma->end ||
	    (t->left && t->left->last > t->vma->start) ||
	    (t->right && t->right->first < t->vma->end))
		return false;
	if (height(t->left) > height(t->right) + 1 ||
	    height(t->right) > height(t->left) + 1)
		return false;
	sum_up(&sum, t->left, t->vma, t->right);
	*ret_nr = nr_left + 1 + nr_right;
	return sum.height == t->height && sum.first == t->first &&
	       sum.last == t->last && sum.max_gap == t->max_gap &&
	       sum.runs == t->runs;
}
