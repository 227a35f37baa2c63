"""The standard data sets of the field, one spec each."""

from __future__ import annotations

from dataclasses import replace

from semdd_lightning.datasets.spec import Archive, DatasetSpec, EvaluationTransform, Normalization, Split

_IMAGENET_STATISTICS = Normalization(
    (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "torchvision's weights, and every method that uses ImageNet"
)
_WHOLE_32 = EvaluationTransform(resize=32, crop=32)
_CENTRE_224 = EvaluationTransform(resize=256, crop=224)
_VALIDATION = "the official validation images; the labels of the official test images are not public"
_ILSVRC_2015 = "O. Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, IJCV 2015"
_HOWARD_2019 = "J. Howard, Imagenette and Imagewoof, 2019, https://github.com/fastai/imagenette"
_KRIZHEVSKY_2009 = "A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009"

CIFAR10 = DatasetSpec(
    name="cifar10",
    title="CIFAR-10",
    num_classes=10,
    image_size=32,
    normalization=Normalization(
        (0.4914, 0.4822, 0.4465),
        (0.2023, 0.1994, 0.2010),
        "DC, DC-bench and Minimax, the deviations being means of the images' own; RDED normalises CIFAR by "
        "ImageNet's statistics",
    ),
    evaluation=_WHOLE_32,
    train=Split("train", 50_000, "5,000 per class"),
    test=Split("test", 10_000, "1,000 per class"),
    layout="cifar",
    folder="cifar-10-batches-py",
    obtained="downloaded by torchvision",
    archives=(
        Archive(
            "cifar-10-python.tar.gz",
            "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            "c58f30108f718f92721af3b95e74349a",
        ),
    ),
    sources=(_KRIZHEVSKY_2009, "https://www.cs.toronto.edu/~kriz/cifar.html"),
    class_list="cifar10",
)

CIFAR100 = replace(
    CIFAR10,
    name="cifar100",
    title="CIFAR-100",
    num_classes=100,
    normalization=Normalization(
        (0.5071, 0.4866, 0.4409),
        (0.2673, 0.2564, 0.2762),
        "DC-bench; RDED normalises CIFAR by ImageNet's statistics",
    ),
    train=Split("train", 50_000, "500 per class"),
    test=Split("test", 10_000, "100 per class"),
    folder="cifar-100-python",
    archives=(
        Archive(
            "cifar-100-python.tar.gz",
            "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
            "eb9058c3a382ffc7106e4002c42a8d85",
        ),
    ),
    class_list="cifar100",
)

TINY_IMAGENET = DatasetSpec(
    name="tiny_imagenet",
    title="Tiny-ImageNet",
    num_classes=200,
    image_size=64,
    normalization=replace(
        _IMAGENET_STATISTICS, source="ImageNet's, whose images these are; as DC-bench and RDED"
    ),
    evaluation=EvaluationTransform(resize=72, crop=64),
    train=Split("train", 100_000, "500 per class"),
    test=Split("val", 10_000, f"50 per class: {_VALIDATION}"),
    layout="tiny_imagenet",
    folder="tiny-imagenet-200",
    obtained="downloaded",
    archives=(
        Archive(
            "tiny-imagenet-200.zip",
            "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
            "90528d7ca1a48142e341f4ef8d21d0de",
        ),
    ),
    sources=("Y. Le and X. Yang, Tiny ImageNet Visual Recognition Challenge, CS 231N, 2015",),
    class_list="tiny_imagenet",
)

IMAGENET1K = DatasetSpec(
    name="imagenet1k",
    title="ImageNet-1K",
    num_classes=1000,
    image_size=224,
    normalization=_IMAGENET_STATISTICS,
    evaluation=_CENTRE_224,
    train=Split("train", 1_281_167, "732 to 1,300 per class"),
    test=Split("val", 50_000, f"50 per class: {_VALIDATION}"),
    layout="imagenet",
    folder="imagenet",
    obtained="from image-net.org, with an account; torchvision.datasets.ImageNet unpacks them",
    archives=(
        Archive("ILSVRC2012_img_train.tar", md5="1d675b47d978889d74fa0da5fadfb00e"),
        Archive("ILSVRC2012_img_val.tar", md5="29b22e2961454d5413ddabcf34fc5622"),
        Archive("ILSVRC2012_devkit_t12.tar.gz", md5="fa75699e90414af021442c21a62c3abf"),
    ),
    sources=(_ILSVRC_2015,),
    class_list=None,
)

_SUBSET = replace(
    IMAGENET1K, num_classes=10, test=Split("val", 500, "50 per class, of ImageNet-1K's validation images")
)

IMAGENETTE = replace(
    _SUBSET,
    name="imagenette",
    title="ImageNette (of ILSVRC)",
    train=Split("train", 12_894, "all that ILSVRC has of the classes; imagenette_fastai has 9,469"),
    sources=(_HOWARD_2019, _ILSVRC_2015),
    class_list="imagenette",
)

IMAGENETTE_FASTAI = replace(
    IMAGENETTE,
    name="imagenette_fastai",
    title="Imagenette (fast.ai, 2019)",
    train=Split("train", 9_469, "70 % of ILSVRC's training and validation images together"),
    test=Split("val", 3_925, "the other 30 %: most of them are training images of ILSVRC"),
    folder="imagenette2",
    obtained="downloaded",
    archives=(
        Archive(
            "imagenette2.tgz",
            "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2.tgz",
            "fe2fc210e6bb7c5664d602c3cd71e612",
        ),
    ),
)

IMAGEWOOF = replace(
    IMAGENETTE,
    name="imagewoof",
    title="ImageWoof (of ILSVRC)",
    train=Split("train", 12_454, "all that ILSVRC has of the classes; imagewoof_fastai has 9,025"),
    class_list="imagewoof",
)

IMAGEWOOF_FASTAI = replace(
    IMAGENETTE_FASTAI,
    name="imagewoof_fastai",
    title="Imagewoof (fast.ai, 2019)",
    train=Split("train", 9_025, IMAGENETTE_FASTAI.train.note),
    test=Split("val", 3_929, IMAGENETTE_FASTAI.test.note),
    folder="imagewoof2",
    obtained="by hand: no checksum of the archive is known",
    archives=(Archive("imagewoof2.tgz", "https://s3.amazonaws.com/fast-ai-imageclas/imagewoof2.tgz"),),
    class_list="imagewoof",
)

IMAGEIDC = replace(
    _SUBSET,
    name="imageidc",
    title="ImageIDC",
    train=Split("train", None, "at most 1,300 per class"),
    sources=("J.-H. Kim et al., IDC, ICML 2022, arXiv 2205.14959", _ILSVRC_2015),
    class_list="imageidc",
)

IMAGENET100 = replace(
    _SUBSET,
    name="imagenet100",
    title="ImageNet-100",
    num_classes=100,
    train=Split("train", 126_689, "at most 1,300 per class"),
    test=Split("val", 5_000, _SUBSET.test.note),
    sources=(
        "Y. Tian, D. Krishnan and P. Isola, Contrastive Multiview Coding, ECCV 2020, arXiv 1906.05849: "
        "imagenet100.txt of https://github.com/HobbitLong/CMC",
        _ILSVRC_2015,
    ),
    class_list="imagenet100",
)

DIGITS = DatasetSpec(
    name="digits",
    title="Handwritten digits",
    num_classes=10,
    image_size=16,
    normalization=Normalization((0.309,) * 3, (0.348,) * 3, "computed from the training half at 16 px"),
    evaluation=EvaluationTransform(resize=16, crop=16),
    train=Split("train", 901, "the images at even positions of each class"),
    test=Split("test", 896, "those at odd positions; the halves share writers"),
    layout="digits",
    folder="",
    obtained="comes with scikit-learn",
    archives=(),
    sources=("E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998",),
    class_list="digits",
)

DATASETS: dict[str, DatasetSpec] = {
    spec.name: spec
    for spec in (
        CIFAR10,
        CIFAR100,
        TINY_IMAGENET,
        IMAGENETTE,
        IMAGENETTE_FASTAI,
        IMAGEWOOF,
        IMAGEWOOF_FASTAI,
        IMAGEIDC,
        IMAGENET100,
        IMAGENET1K,
        DIGITS,
    )
}
"""Every standard data set by its name in configs."""
