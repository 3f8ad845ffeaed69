"""Lists the data sets that can be fetched, with address, licence and citation."""

from dataclasses import dataclass

from kapbench.errors import documentation, unknown


@dataclass(frozen=True, slots=True)
class Source:
    """An archive on its maker's server.

    `sha256` is None where the maker publishes none: the hash of the first download is then
    recorded and checked from then on. `url` is None where a browser is needed;
    `page` is then the address for the browser. `more` are extra files: address, path below the
    folder; one that is in the archive or was found is not downloaded. Those of `unpacked_in_place` are
    archives, whose content goes into the folder. `by_hand` are optional extra
    files that only a browser can download; they are used where found.
    """

    name: str
    title: str
    url: str | None
    file_name: str
    folder: str  # the unpacked folder, below the data root
    licence: str
    citation: str
    sha256: str | None = None
    page: str | None = None
    more: tuple[tuple[str, str], ...] = ()
    by_hand: tuple[tuple[str, str], ...] = ()
    opens: str | None = None  # data set that checks the files; None: that of the same name
    options: tuple[tuple[str, object], ...] = ()  # options for opening it
    beside: tuple[str, ...] = ()  # other sources whose folders must exist
    unpacked_in_place: tuple[str, ...] = ()
    inner: str | None = (
        None  # a name in the folder, by which an archive without the folder is known
    )

    @property
    def terms(self) -> tuple[str, str]:
        """Licence and citation."""
        return self.licence, self.citation


_CNNGEOMETRIC = "http://www.di.ens.fr/willow/research/cnngeometric/other_resources"
_SOCO = "https://huggingface.co/datasets/GenIntelLab/SOCO/resolve/main"
_ALL = (
    Source(
        name="spair",
        title="SPair-71k",
        url="https://cvlab.postech.ac.kr/research/SPair-71k/data/SPair-71k.tar.gz",
        file_name="SPair-71k.tar.gz",
        folder="SPair-71k",
        licence="none stated; its makers ask to be cited "
        "(photographs: Flickr users', by way of PASCAL VOC)",
        citation="Min, Lee, Ponce, Cho: SPair-71k: A Large-scale Benchmark for Semantic "
        "Correspondence. arXiv:1908.10543, 2019",
    ),
    Source(
        name="spair-u",
        title="SPair-U",
        url="https://groups.inf.ed.ac.uk/hbilen-data/data/JamaisVuData/SPair-U.zip",
        file_name="SPair-U.zip",
        folder="SPair-U",
        licence="none stated; needs SPair-71k's photographs",
        citation="Mariotti, Du, Bhalgat, Mac Aodha, Bilen: Jamais Vu: Exposing the Generalization "
        "Gap in Supervised Semantic Correspondence. NeurIPS 2025",
        beside=("spair",),
    ),
    Source(
        name="soco",
        title="SOCO",
        url=f"{_SOCO}/Images.zip",
        file_name="Images.zip",
        folder="SOCOv1",
        licence="CC-BY-4.0",
        citation="Dünkel, Sunagad, Wang, Hoffmann, Theobalt, Kortylewski: SOCO: Benchmarking "
        "Semantic Object Correspondence in Vision Foundation Models. arXiv:2605.31597, 2026",
        more=(
            (f"{_SOCO}/PairAnnotations.zip", "PairAnnotations.zip"),
            (f"{_SOCO}/KeypointAnnotations.zip", "KeypointAnnotations.zip"),
            (f"{_SOCO}/Metadata/keypoint_taxonomy.json", "Metadata/keypoint_taxonomy.json"),
        ),
        unpacked_in_place=("PairAnnotations.zip", "KeypointAnnotations.zip"),
        opens="soco.intra",
        options=(("split", "all"),),
        inner="Images",
    ),
    Source(
        name="pf-pascal",
        title="PF-PASCAL",
        url="http://www.di.ens.fr/willow/research/proposalflow/dataset/PF-dataset-PASCAL.zip",
        file_name="PF-dataset-PASCAL.zip",
        folder="PF-dataset-PASCAL",
        licence="none stated; lists MIT (photographs: Flickr users', by way of PASCAL VOC)",
        citation="Ham, Cho, Schmid, Ponce: Proposal Flow: Semantic Correspondences from Object "
        "Proposals. TPAMI 40(7), 2018",
        more=(
            (f"{_CNNGEOMETRIC}/test_pairs_pf_pascal.csv", "test_pairs_pf_pascal.csv"),
            (f"{_CNNGEOMETRIC}/val_pairs_pf_pascal.csv", "val_pairs_pf_pascal.csv"),
        ),
        by_hand=(
            (
                "https://drive.google.com/uc?id=111tpXshLiJ4qudBHoGK3HbMSNr9vVRq9 (Google Drive)",
                "train_pairs_pf_pascal.csv",
            ),
        ),
    ),
    Source(
        name="pf-willow",
        title="PF-WILLOW",
        url="http://www.di.ens.fr/willow/research/proposalflow/dataset/PF-dataset.zip",
        file_name="PF-dataset.zip",
        folder="PF-dataset",
        licence="none stated",
        citation="Ham, Cho, Schmid, Ponce: Proposal Flow: Semantic Correspondences from Object "
        "Proposals. TPAMI 40(7), 2018",
        more=(("https://www.robots.ox.ac.uk/~xinghui/sd4match/test_pairs.csv", "test_pairs.csv"),),
    ),
    Source(
        name="willow",
        title="WILLOW-ObjectClass",
        url="http://www.di.ens.fr/willow/research/graphlearning/WILLOW-ObjectClass_dataset.zip",
        file_name="WILLOW-ObjectClass_dataset.zip",
        folder="WILLOW-ObjectClass",
        licence="none stated; its makers ask to be cited",
        citation="Cho, Alahari, Ponce: Learning Graphs to Match. ICCV 2013",
    ),
    Source(
        name="cub",
        title="CUB-200-2011",
        url="https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz",
        file_name="CUB_200_2011.tgz",
        folder="CUB_200_2011",
        licence="none stated (photographs: Flickr users')",
        citation="Wah, Branson, Welinder, Perona, Belongie: The Caltech-UCSD Birds-200-2011 "
        "Dataset. CNS-TR-2011-001, 2011",
    ),
    Source(
        name="ap-10k",
        title="AP-10K",
        url=None,
        file_name="ap-10k.zip",
        folder="ap-10k",
        licence="CC-BY-4.0",
        citation="Yu, Xu, Zhang, Zhao, Guan, Tao: AP-10K: A Benchmark for Animal Pose Estimation "
        "in the Wild. NeurIPS Datasets and Benchmarks 2021",
        page="https://drive.google.com/file/d/1-FNNGcdtAQRehYYkGY1y4wzFNg4iWNad (Google Drive)",
        opens="ap-10k.intra",
    ),
    Source(
        name="animal-pose",
        title="Animal-Pose",
        url=None,
        file_name="animalpose_keypoint_new.zip",
        folder="animalpose_keypoint_new",
        licence="none stated; its makers ask to be cited "
        "(photographs: in part Flickr users', by way of PASCAL VOC)",
        citation="Cao, Tang, Fang, Shen, Lu, Tai: Cross-Domain Adaptation for Animal Pose "
        "Estimation. ICCV 2019",
        page="https://drive.google.com/drive/folders/1xxm6ZjfsDSmv6C9JvbgiGrmHktrUjV5x "
        "(Google Drive: keypoints.json and images)",
    ),
    Source(
        name="awa-pose",
        title="AwA-Pose",
        url=None,
        file_name="AwA-Pose.zip",
        folder="AwA-Pose",
        licence="MIT (annotations); each photograph of AwA2 has its own licence",
        citation="Banik, Li, Dong: A Novel Dataset for Keypoint Detection of Quadruped Animals "
        "from Images. arXiv:2108.13958, 2021",
        page="https://github.com/prinik/AwA-Pose (annotations; see "
        f"{documentation('datasets/awa-pose.md')}), and "
        "AwA2's JPEGImages beside Annotations_json, from https://cvml.ist.ac.at/AwA2",
        options=(("photographs", False),),
    ),
    Source(
        name="tss",
        title="TSS",
        url="http://www.hci.iis.u-tokyo.ac.jp/datasets/data/JointCorrCoseg/TSS_CVPR2016.zip",
        file_name="TSS_CVPR2016.zip",
        folder="TSS_CVPR2016",
        licence="none stated",
        citation="Taniai, Sinha, Sato: Joint Recovery of Dense Correspondence and Cosegmentation "
        "in Two Images. CVPR 2016",
        more=((f"{_CNNGEOMETRIC}/test_pairs_tss.csv", "test_pairs_tss.csv"),),
    ),
    Source(
        name="freiburg-cars",
        title="Freiburg static cars",
        url=None,
        file_name="freiburg_static_cars_52_v1.1.tar.gz",
        folder="freiburg_static_cars_52_v1.1",
        licence="research only",
        citation="Sedaghat, Brox: Unsupervised Generation of a Viewpoint Annotated Car Dataset "
        "from Videos. ICCV 2015",
        page="https://lmb.informatik.uni-freiburg.de/resources/datasets (Freiburg static cars 52)",
        inner="annotations",
    ),
)
SOURCES = {source.name: source for source in _ALL}


def source(name: str) -> Source:
    """The source of `spair` or of its variant `spair.small`. KapbenchError where there is none."""
    base = name.partition(".")[0]
    if base not in SOURCES:
        raise unknown("data set", name, SOURCES, place="kapbench fetch")
    return SOURCES[base]
