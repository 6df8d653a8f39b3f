from __future__ import annotations

import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data as photos
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset
from torchvision import datasets, transforms

from netdoctor.errors import DataError, UsageError
from netdoctor.inputs.data import data_from, open_data
from netdoctor.inputs.images import Preprocessing
from netdoctor.inputs.loaders import CollateError
from tests.inputs.stand_in import loaded

NET = loaded(nn.Conv2d(3, 4, 3))
X, Y = torch.arange(10.0).view(10, 1), torch.arange(10)


def values(data: Any) -> list[list[float]]:
    return [batch.args[0].flatten().tolist() for batch in data]


def save(path: Path, seed: int = 0, size: tuple[int, int] = (12, 10)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for seed, name in enumerate(
        ["dog/b.png", "dog/a.png", "cat/x/1.png", "cat/0.png", "ant/1.png"]
    ):
        save(tmp_path / "tree" / name, seed)
    return tmp_path / "tree"


def test_a_class_tree_has_torchvisions_images_and_labels(tree: Path) -> None:
    data = open_data(str(tree), NET, batch_size=2)
    theirs = datasets.ImageFolder(
        str(tree),
        transforms.Compose(
            [
                transforms.ToTensor(),
                transforms.Normalize(data.preprocessing.mean, data.preprocessing.std),
            ]
        ),
    )
    batches = list(data)
    assert torch.cat([batch.target for batch in batches]).tolist() == theirs.targets
    assert [batch.size for batch in batches] == [2, 2, 1]
    assert list(data.samples) == [path for path, _ in theirs.samples]
    ours = torch.cat([batch.args[0] for batch in batches])
    torch.testing.assert_close(ours, torch.stack([image for image, _ in theirs]))


def test_a_folder_and_a_file_of_images_have_no_labels(tree: Path) -> None:
    (batch,) = open_data(str(tree / "dog"), NET)
    assert batch.target is None
    assert batch.args[0].shape == (2, 3, 12, 10)
    (single,) = open_data(str(tree / "dog" / "a.png"), NET)
    assert torch.equal(single.args[0], batch.args[0][:1])


def test_the_models_preprocessing_comes_first_and_options_override_it(tmp_path: Path) -> None:
    path = save(tmp_path / "photo.png", size=(100, 80))
    weights = Preprocessing((0.5,) * 3, (0.5,) * 3, 40, (32, 32), "the weights X")
    model = loaded(preprocessing=weights, input_shapes=((3, 32, 32),))
    data = open_data(str(path), model)
    assert data.preprocessing == weights
    assert any("the weights X" in note for note in data.notes)
    changed = open_data(str(path), model, mean=[0.0], std=[1.0], resize=50, crop=48)
    (batch,) = changed
    assert batch.args[0].shape == (1, 3, 48, 48)
    assert 0 <= float(batch.args[0].min()) <= float(batch.args[0].max()) <= 1
    assert any("--mean, --std, --resize, --crop" in note for note in changed.notes)


@pytest.mark.parametrize(
    ("shapes", "size", "resize", "crop"),
    [
        (((3, 64, 64),), (100, 80), 73, (64, 64)),
        (((3, 64, 64),), (64, 64), 64, (64, 64)),
        ((), (300, 400), 256, (224, 224)),
        ((), (32, 32), 32, (32, 32)),
    ],
)
def test_the_size_where_the_model_says_nothing(
    tmp_path: Path, shapes: Any, size: tuple[int, int], resize: int, crop: tuple[int, int]
) -> None:
    data = open_data(str(save(tmp_path / "a.png", size=size)), loaded(input_shapes=shapes))
    assert data.preprocessing is not None
    assert (data.preprocessing.resize, data.preprocessing.crop) == (resize, crop)
    assert any("ImageNet" in note for note in data.notes)
    assert any("not known" in note for note in data.notes) == (not shapes)
    (batch,) = data
    assert tuple(batch.args[0].shape[2:]) == crop


def test_weights_that_resize_without_a_crop_get_a_square_of_that_size(tmp_path: Path) -> None:
    weights = Preprocessing((0.5,) * 3, (0.5,) * 3, 52, None, "segmentation weights")
    model = loaded(preprocessing=weights, input_shapes=((3, 25, 25),))
    (batch,) = open_data(str(save(tmp_path / "a.png", size=(80, 60))), model)
    assert batch.args[0].shape == (1, 3, 52, 52)


def test_a_malformed_input_shape_beside_images(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not understood"):
        open_data(str(save(tmp_path / "a.png")), NET, input_shape="a")


def test_a_greyscale_model_gets_one_channel_and_a_note(tmp_path: Path) -> None:
    data = open_data(str(save(tmp_path / "a.png")), loaded(nn.Conv2d(1, 2, 3)))
    (batch,) = data
    assert batch.args[0].shape[1] == 1
    assert any("greyscale" in note for note in data.notes)


def test_a_detector_gets_a_list_at_the_images_own_sizes(tmp_path: Path) -> None:
    save(tmp_path / "a.png", size=(20, 30))
    save(tmp_path / "b.png", size=(40, 10))
    model = loaded(input_style="images", input_shapes=((3, 320, 320),))
    (batch,) = open_data(str(tmp_path), model)
    assert [tuple(image.shape) for image in batch.args[0]] == [(3, 20, 30), (3, 40, 10)]
    assert batch.size == 2
    assert float(batch.args[0][0].min()) >= 0


def test_a_video_model_does_not_take_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="3×16×112×112"):
        open_data(str(save(tmp_path / "a.png")), loaded(input_shapes=((3, 16, 112, 112),)))


def test_more_samples_than_needed_are_chosen_at_random_by_the_seed(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(100.0), y=np.arange(100) // 10)
    data = open_data(f"{tmp_path}/a.npz", NET, batches=2, batch_size=10)
    targets = [int(target) for batch in data for target in batch.target]
    assert len(targets) == 20
    assert len(set(targets)) > 4
    assert values(data) == values(data)
    other = open_data(f"{tmp_path}/a.npz", NET, batches=2, batch_size=10, seed=1)
    assert values(data) != values(other)
    assert any("20 of 100" in note for note in data.notes)


@pytest.mark.parametrize(
    ("arrays", "keys"),
    [
        ({"x": X.double().numpy(), "y": Y.numpy()}, "x"),
        ({"labels": Y.int().numpy(), "images": X.numpy()}, "images"),
        ({"first": X.numpy(), "second": Y.numpy()}, "first"),
    ],
)
def test_arrays_of_inputs_and_targets(tmp_path: Path, arrays: Any, keys: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    data = open_data(f"{tmp_path}/a.npz", NET, batch_size=10)
    (batch,) = data
    assert torch.equal(batch.args[0], X)
    assert torch.equal(batch.target, Y)
    assert keys in data.notes[0]


def test_one_array(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", X.numpy())
    (batch,) = open_data(f"{tmp_path}/a.npy", NET)
    assert torch.equal(batch.args[0], X)
    assert batch.target is None


def test_integer_images_are_scaled_and_normalised_with_a_note(tmp_path: Path) -> None:
    pixels = photos.chelsea()[None, :20, :30]
    np.savez(tmp_path / "a.npz", images=pixels, labels=np.zeros(1, int))
    data = open_data(f"{tmp_path}/a.npz", NET, mean=[0.5], std=[0.25])
    (batch,) = data
    expected = (torch.tensor(pixels).permute(0, 3, 1, 2) / 255 - 0.5) / 0.25
    torch.testing.assert_close(batch.args[0], expected)
    assert any("uint8" in note for note in data.notes)


def test_broken_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "objects.npz", x=np.array([{}], object))
    np.savez(tmp_path / "uneven.npz", x=np.zeros(3), y=np.zeros(4))
    (tmp_path / "text.npy").write_text("hello")
    for name, words in (
        ("objects.npz", "pickle"),
        ("uneven.npz", "3 inputs but 4"),
        ("text.npy", "cannot be read"),
    ):
        with pytest.raises(DataError, match=words) as caught:
            open_data(f"{tmp_path}/{name}", NET)
        assert name in caught.value.message


@pytest.fixture
def cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CIFAR-10 in torchvision's form on disk, with 5 test images."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (5, 3072), np.uint8)
    (folder / "test_batch").write_bytes(pickle.dumps({"data": pixels, "labels": [3, 1, 4, 1, 5]}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": [*"abcdefghij"]}))
    monkeypatch.setattr(datasets.CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [["test_batch", ""]])
    return tmp_path


def test_a_torchvision_data_set(cifar: Path) -> None:
    data = open_data(f"torchvision:CIFAR10?root={cifar}&train=false", NET)
    (batch,) = data
    assert batch.target.tolist() == [3, 1, 4, 1, 5]
    assert batch.args[0].shape == (5, 3, 32, 32)
    raw = datasets.CIFAR10(str(cifar), train=False)
    step = transforms.Normalize(data.preprocessing.mean, data.preprocessing.std)
    torch.testing.assert_close(batch.args[0][2], step(transforms.ToTensor()(raw[2][0])))


@pytest.mark.parametrize(
    ("spec", "message", "hint"),
    [
        ("torchvision:CIFRA10?root=x", "no data set CIFRA10", "CIFAR10"),
        ("torchvision:CIFAR10", "does not say where", "root=DIR"),
        ("torchvision:CIFAR10?root={0}&train=false", "not found", "never downloads"),
        ("torchvision:CIFAR10?root={0}&download=true", "never downloads", ""),
        ("torchvision:CIFAR10?root={0}&trian=false", "trian", "train"),
        ("{0}/tre", "no such file", "tree"),
        ("randm", "no such file", "random"),
        ("{0}/empty", "no image", ".jpg"),
        ("{0}/tree/nothing.py:make", "no file", ""),
    ],
)
def test_data_that_is_not_there(
    tmp_path: Path, tree: Path, spec: str, message: str, hint: str
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError) as caught:
        open_data(spec.format(tmp_path), NET)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_folder_of_splits_is_not_a_class_tree(tmp_path: Path) -> None:
    for split in ("train", "val"):
        save(tmp_path / split / "cat" / "a.png")
    with pytest.raises(DataError, match="splits") as caught:
        open_data(str(tmp_path), NET)
    assert str(tmp_path / "val") in caught.value.hint


def test_a_broken_image_in_a_folder_is_named(tree: Path) -> None:
    (tree / "dog" / "b.png").write_text("no image")
    with pytest.raises(DataError, match=r"dog/b\.png"):
        list(open_data(str(tree), NET))


LOADERS = """
import torch
from torch.utils.data import DataLoader, TensorDataset
X, Y = torch.arange(10.).view(10, 1), torch.arange(10)
class Set(torch.utils.data.Dataset):
    def __len__(self): return 10
    def __getitem__(self, i): return X[i], Y[i]
def loader(): return DataLoader(Set(), batch_size=4)
def dataset(): return Set()
ready = loader()
def generator():
    yield X[:4], Y[:4]
    yield X[4:8], Y[4:8]
    yield X[8:], Y[8:]
def batches(): return list(generator())
def fails(): raise ValueError("no data here")
def leaves(): raise SystemExit(3)
def number(): return 3
"""


@pytest.mark.parametrize("name", ["loader", "dataset", "Set", "ready", "generator", "batches"])
def test_the_users_factory(tmp_path: Path, name: str) -> None:
    (tmp_path / "users_loaders.py").write_text(LOADERS)
    data = open_data(f"{tmp_path}/users_loaders.py:{name}", NET, batch_size=4)
    expected = [[0.0, 1, 2, 3], [4.0, 5, 6, 7], [8.0, 9]]
    assert values(data) == expected
    assert values(data) == expected
    assert [batch.target.tolist() for batch in data] == expected


@pytest.mark.parametrize(
    ("name", "words"),
    [("fails", "no data here.*users_loaders"), ("leaves", "SystemExit"), ("number", "int")],
)
def test_a_users_factory_that_gives_nothing(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "users_loaders.py").write_text(LOADERS)
    with pytest.raises(DataError, match=words):
        open_data(f"{tmp_path}/users_loaders.py:{name}", NET)


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter(X)


@pytest.mark.parametrize(
    "source",
    [
        X,
        X.numpy(),
        TensorDataset(X),
        Stream(),
        [X[:4], X[4:8], X[8:]],
        DataLoader(TensorDataset(X), batch_size=4),
        lambda: (X[i : i + 4] for i in (0, 4, 8)),
    ],
    ids=["tensor", "array", "dataset", "stream", "list", "loader", "generator"],
)
def test_python_objects(source: Any) -> None:
    source = source() if callable(source) and not isinstance(source, Tensor) else source
    data = data_from(source, NET, batch_size=4)
    assert values(data) == [[0.0, 1, 2, 3], [4.0, 5, 6, 7], [8.0, 9]]
    assert values(data) == [[0.0, 1, 2, 3], [4.0, 5, 6, 7], [8.0, 9]]
    assert not data.synthetic


def test_one_batch_and_ready_data() -> None:
    data = data_from((X, Y), NET)
    (batch,) = data
    assert torch.equal(batch.target, Y)
    assert data_from(data, NET) is data
    (mapped,) = data_from({"x": X, "label": Y}, NET)
    assert torch.equal(mapped.kwargs["x"], X)


def test_at_most_so_many_batches_are_taken_from_an_endless_source() -> None:
    def endless() -> Any:
        while True:
            yield X

    assert len(list(data_from(endless(), NET, batches=3))) == 3


def test_a_model_that_writes_to_its_input_does_not_change_the_users_tensors() -> None:
    batches = [X.clone()]
    for batch in data_from(batches, NET):
        batch.args[0].zero_()
    assert torch.equal(batches[0], X)


class Noisy(Dataset[Any]):
    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> Any:
        return torch.rand(2) + random.random() + np.random.rand()


@pytest.mark.parametrize("generator", [None, torch.Generator().manual_seed(5)])
def test_a_shuffled_noisy_loader_repeats_itself_and_leaves_the_random_states(
    generator: torch.Generator | None,
) -> None:
    loader = DataLoader(Noisy(), batch_size=4, shuffle=True, generator=generator)
    data = data_from(loader, NET, seed=3)
    torch.manual_seed(1)
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    own = generator.get_state() if generator else None
    first = []
    for batch in data:
        first.append(batch.args[0].flatten().tolist())
        assert torch.equal(torch.get_rng_state(), states[0])
        torch.rand(1)
        torch.set_rng_state(states[0])
    assert first == values(data)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert np.random.get_state()[1].tolist() == states[2]
    assert generator is None or torch.equal(generator.get_state(), own)
    next(iter(data))
    assert torch.equal(torch.get_rng_state(), states[0])


class Faulty(Dataset[Any]):
    """Sample 7 raises, or has another shape."""

    def __init__(self, ragged: bool) -> None:
        self.ragged = ragged

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> Any:
        if index == 7 and not self.ragged:
            raise KeyError("no such file")
        return torch.zeros(3 if index == 7 else 2)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("workers", [0, 1])
def test_the_failing_sample_is_named(shuffle: bool, workers: int) -> None:
    loader = DataLoader(Faulty(False), batch_size=4, shuffle=shuffle, num_workers=workers)
    with pytest.raises(DataError, match=r"Sample 7 .*KeyError.*test_data\.py:\d+ in __getitem__"):
        list(data_from(loader, NET))


@pytest.mark.parametrize("shuffle", [False, True])
def test_samples_that_cannot_be_stacked_are_named_with_their_shapes(shuffle: bool) -> None:
    loader = DataLoader(Faulty(True), batch_size=4, shuffle=shuffle)
    with pytest.raises(
        CollateError, match=r"sample 7 is float32 \(3,\)|sample \d+ is .*sample \d+"
    ):
        list(data_from(loader, NET))


@pytest.mark.parametrize("source", [[], DataLoader(TensorDataset(X[:0])), iter(())])
def test_an_empty_loader(source: Any) -> None:
    with pytest.raises(DataError, match="empty"):
        list(data_from(source, NET))


def test_workers_load_a_folder(tree: Path) -> None:
    alone = values(open_data(str(tree), NET, batch_size=2))
    assert values(open_data(str(tree), NET, batch_size=2, workers=1)) == alone


@pytest.mark.parametrize("wrong", [{"batches": 0}, {"batch_size": 0}, {"workers": -1}])
def test_impossible_numbers(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        open_data(None, NET, **wrong)


def test_batches_without_samples_are_passed_over() -> None:
    empty = torch.zeros(0, 1)
    assert [batch.size for batch in data_from([empty, X[:4], empty], NET)] == [4]
    with pytest.raises(DataError, match="gives no sample"):
        list(data_from([empty], NET))


def test_a_web_address_and_a_device_are_no_data() -> None:
    with pytest.raises(DataError, match="web address") as caught:
        open_data("https://example.com/x.png", NET)
    assert "Download it" in caught.value.hint
    with pytest.raises(DataError, match="neither a file nor a folder") as caught:
        open_data("/dev/null", NET)
    assert "/dev/null" not in caught.value.hint


def test_a_factory_without_a_return_is_told(tmp_path: Path) -> None:
    (tmp_path / "forgetful.py").write_text("def make():\n    pass\n")
    with pytest.raises(DataError, match="returned None") as caught:
        open_data(f"{tmp_path}/forgetful.py:make", NET)
    assert "return loader" in caught.value.hint


def test_resize_alone_also_crops_where_the_models_size_is_not_known(tree: Path) -> None:
    data = open_data(str(tree / "dog" / "a.png"), NET, resize=8)
    assert data.preprocessing is not None
    assert (data.preprocessing.resize, data.preprocessing.crop) == (8, (8, 8))


def test_a_loader_is_started_only_where_it_is_used() -> None:
    class Counting(DataLoader[Any]):
        started = 0

        def __iter__(self) -> Any:
            type(self).started += 1
            return super().__iter__()

    data = data_from(Counting(TensorDataset(X), batch_size=5), NET)
    assert Counting.started == 0
    assert len(list(data)) == 2
    assert Counting.started == 1
